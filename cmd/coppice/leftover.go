package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// leftover is a manifest in a watched folder that has the labels of what is applied, and
// is not asked for any more.
type leftover struct {
	ref  reference
	path string
	// kept says why it is not to be pruned; "" if it is.
	kept string
}

// leftovers returns those in a folder, in the order of their files. asked are those that
// are asked for.
func leftovers(folder string, asked []spec.Object, pick selection) ([]leftover, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("look for what is to be pruned: %w", err)
	}
	wanted := map[reference]bool{}
	for _, o := range asked {
		wanted[referenceTo(o)] = true
	}
	var list []leftover
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !manifests.Considered(entry.Name()) {
			continue // a link is never apply's
		}
		path := filepath.Join(folder, entry.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("look for what is to be pruned: %w", err)
		}
		documents, _ := spec.Decode(path, text) // what cannot be read was not applied
		for _, d := range documents {
			if d.Object == nil || wanted[referenceTo(d.Object)] || !pick.takes(d.Object.GetLabels()) {
				continue
			}
			list = append(list, leftover{referenceTo(d.Object), path, notApplied(entry.Name(), string(text), d.Object, len(documents))})
		}
	}
	return list, nil
}

// notApplied says why a file is not as apply writes it; "" if it is. Apply writes one
// object a file, under a name of its own, and in a form that no person would choose: so
// what it wrote can be told without a mark, which would be copied with the rest.
func notApplied(name, written string, o spec.Object, documents int) string {
	key := manifests.Key{Kind: o.GetKind(), Name: o.GetName()}
	if name != manifests.FileName(key) || documents != 1 {
		return "apply did not write it"
	}
	if _, begun := o.GetAnnotations()[spec.OwnerAnnotation]; begun {
		return "somebody began it"
	}
	if again, err := text(o); err != nil || again != written {
		return "apply did not write it, or somebody changed it since"
	}
	return ""
}

// pruneApplied takes away what apply has put into a folder and that is not asked for any
// more. What it leaves although it has the labels is told.
func (c *cli) pruneApplied(folder string, asked []spec.Object, o applyOptions) error {
	list, err := leftovers(folder, asked, o.selection)
	if err != nil {
		return err
	}
	// Sessions first: they are told for as long as there is what they are grown from.
	slices.SortStableFunc(list, func(a, b leftover) int { return rank(a.ref) - rank(b.ref) })
	for _, l := range list {
		if l.kept != "" {
			fmt.Fprintf(c.errOut, "Note: %s stays in %s: %s\n", l.ref, l.path, l.kept)
			continue
		}
		if !o.dryRun {
			if err := c.takeAway(l.ref, folder); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.out, "%s %s\n", l.ref, o.done("pruned"))
	}
	return nil
}

func rank(ref reference) int {
	return slices.Index([]string{spec.KindSession, spec.KindChroot, spec.KindProfile}, ref.noun.kind)
}

// takeAway takes an object out of a folder. Only if it is that manifest by which the
// object is there, it is said that the object is to go.
func (c *cli) takeAway(ref reference, folder string) error {
	uid, meant := "", false
	key := manifests.Key{Kind: ref.noun.kind, Name: ref.name}
	if file, err := c.peek(ref); err == nil && file != nil && file.Status.Source != nil {
		uid, meant = file.Metadata.UID, file.Status.Source.Manifest == filepath.Join(folder, manifests.FileName(key))
	}
	_, err := c.withdraw(ref, folder, uid, meant)
	return err
}
