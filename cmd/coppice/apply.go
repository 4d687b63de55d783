package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// applyOptions say how manifests are applied.
type applyOptions struct {
	to        string
	prune     bool
	dryRun    bool
	selection selection
}

// done says what was done, or would be.
func (o applyOptions) done(what string) string {
	if o.dryRun {
		return what + " (dry run)"
	}
	return what
}

func newApply(c *cli) *cobra.Command {
	var files []string
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER|- [--prune -l LABELS] [--dry-run]",
		Short: "Ask for what manifests say",
		Long: `Ask for what manifests say: put each object into a watched folder, as a file of
its own. That is the controller's folder for what a reboot sweeps away, unless
--to names another. Nothing is put there if anything is wrong with any of them.

With --prune those are taken away that apply put there before, that have the labels
of -l, and that are not asked for any more; so whoever applies has a label of their
own on all that they apply.`,
		Example: `  coppice apply -f session.yaml
  coppice apply -f build/ --to /etc/coppice/manifests.d
  kustomize build . | coppice apply -f - --prune -l team=a --dry-run`,
		Args: onlyFiles,
		RunE: func(*cobra.Command, []string) error {
			if len(files) == 0 {
				return usagef("what is to be applied? Name it with -f, or -f - for standard input")
			}
			if o.prune && !o.selection.given() {
				return usagef("--prune needs to know whose objects these are: give all of them a label, and name it with -l")
			}
			if err := o.selection.parse(); err != nil {
				return err
			}
			list, err := c.asked(files)
			if err != nil {
				return err
			}
			return c.apply(list, o)
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file, folder, or - for standard input; may be given more than once")
	o.selection.flag(cmd, "apply objects")
	cmd.Flags().BoolVar(&o.prune, "prune", false, "take away what was applied before, has the labels of -l, and is not asked for any more")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would be done")
	cmd.Flags().StringVar(&o.to, "to", "", "the watched folder to put them into")
	return cmd
}

// ephemeral is the watched folder whose manifests a reboot sweeps away.
func (c *cli) ephemeral() string {
	if facts, running, err := presence.Look(c.runDir); err == nil && running {
		return facts.EphemeralDir
	}
	return c.layout().Manifests()
}

// apply drops each object into the folder, and takes away what is to be pruned.
func (c *cli) apply(list []spec.Object, o applyOptions) error {
	folder := cmp.Or(o.to, c.ephemeral())
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("there is no folder %s; is coppiced running, and is --run-dir (or COPPICE_RUN_DIR) the same as its own?", folder)
	}
	list = slices.DeleteFunc(list, func(object spec.Object) bool { return !o.selection.takes(object.GetLabels()) })
	if len(list) == 0 && !o.prune {
		return fmt.Errorf("none of these manifests has the labels %s", o.selection.text)
	}
	for _, object := range list {
		if err := c.elsewhere(object, folder); err != nil {
			return err
		}
	}
	kept := map[manifests.Key]bool{}
	for _, object := range list {
		key := manifests.Key{Kind: object.GetKind(), Name: object.GetName()}
		kept[key] = true
		did, err := drop(folder, key, object, o.dryRun)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s %s\n", key, o.done(did))
	}
	if o.prune {
		if err := c.pruneApplied(folder, kept, o); err != nil {
			return err
		}
	}
	if gone := c.controllerGone(); gone != "" {
		fmt.Fprintln(c.errOut, "coppice: "+gone)
	}
	return nil
}

// drop puts an object's manifest into a folder, unless dry, and says what that does.
func drop(folder string, key manifests.Key, object spec.Object, dry bool) (did string, err error) {
	text, err := yaml.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", key, err)
	}
	before, err := os.ReadFile(filepath.Join(folder, manifests.FileName(key)))
	switch {
	case err != nil:
		did = "created"
	case bytes.Equal(before, text):
		return "unchanged", nil
	default:
		did = "configured"
	}
	if dry {
		return did, nil
	}
	_, err = manifests.Drop(folder, key, text)
	return did, err
}

// pruneApplied takes away what apply has put into a folder, has the labels, and is not
// to be kept.
func (c *cli) pruneApplied(folder string, kept map[manifests.Key]bool, o applyOptions) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("look for what is to be pruned: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if !entry.Type().IsRegular() || !manifests.Considered(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("look for what is to be pruned: %w", err)
		}
		documents, _ := spec.Decode(path, text)
		if len(documents) != 1 || documents[0].Object == nil {
			continue // apply writes one object a file
		}
		object := documents[0].Object
		key := manifests.Key{Kind: object.GetKind(), Name: object.GetName()}
		if entry.Name() != manifests.FileName(key) || kept[key] || !o.selection.takes(object.GetLabels()) {
			continue
		}
		if !o.dryRun {
			if err := c.delete(referenceTo(object)); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.out, "%s %s\n", key, o.done("pruned"))
	}
	return nil
}

// elsewhere refuses an object that is written in another file already: two
// manifests of one name are refused both.
func (c *cli) elsewhere(o spec.Object, folder string) error {
	key := manifests.Key{Kind: o.GetKind(), Name: o.GetName()}
	file, err := c.peek(reference{nounOf(key.Kind), key.Name})
	if err != nil || file == nil || file.Status.Source == nil {
		return err
	}
	at := file.Status.Source.Manifest
	if at == filepath.Join(folder, manifests.FileName(key)) {
		return nil
	}
	if _, err := os.Stat(at); err == nil {
		return fmt.Errorf("%s is written in %s already; change it there", key, at)
	}
	return nil // it was, and is just going
}

func referenceTo(o spec.Object) reference { return reference{nounOf(o.GetKind()), o.GetName()} }

// onlyFiles refuses arguments where -f was meant.
func onlyFiles(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q: name files with -f", args[0])
	}
	return nil
}
