package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/manifests"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// applyOptions say which of some manifests are meant, and where they belong.
type applyOptions struct {
	to        string
	prune     bool
	dryRun    bool
	selection selection
	// wait waits until sessions are as asked for.
	wait    bool
	timeout time.Duration
}

// flags adds what apply and plan share.
func (o *applyOptions) flags(cmd *cobra.Command) {
	o.selection.flag(cmd, "of these manifests those")
	cmd.Flags().BoolVar(&o.prune, "prune", false, "take away what was applied before, has the labels of -l, and is not asked for any more")
	cmd.Flags().StringVar(&o.to, "to", "", "the watched folder that they belong into")
}

// parse reads what was given.
func (o *applyOptions) parse() error {
	if o.prune && !o.selection.given() {
		return usagef("--prune needs to know whose objects these are: give all of them a label, and name it with -l")
	}
	return o.selection.parse()
}

// of returns those of the objects that are meant; there must be some.
func (o applyOptions) of(list []spec.Object) ([]spec.Object, error) {
	list = slices.DeleteFunc(list, func(object spec.Object) bool { return !o.selection.takes(object.GetLabels()) })
	if len(list) > 0 {
		return list, nil
	}
	hint := ""
	if o.prune { // else a mistake with a label would take all away
		hint = "; to be rid of all that has them, see coppice delete -l"
	}
	return nil, fmt.Errorf("none of these manifests has the labels %s%s", o.selection.text, hint)
}

// done says what was done, or would be.
func (o applyOptions) done(what string) string {
	if o.dryRun {
		return what + " (dry run)"
	}
	return what
}

func newApply(c *cli) *cobra.Command {
	var from inputFlags
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER|- [--prune -l LABELS] [--dry-run] [--wait]",
		Short: "Ask for what manifests say",
		Long: `Ask for what manifests say: put each object into a watched folder, as a file of
its own. That is the controller's folder for what a reboot sweeps away, unless
--to names another. Nothing is put there if anything is wrong with any of them.

With --prune those are taken away from that folder that apply put there before, that
have the labels of -l, and that are not asked for any more; so whoever applies has a
label of their own on all that they apply. What people wrote, or changed since, stays.`,
		Example: `  coppice apply -f session.yaml
  coppice apply -f build/ --to /etc/coppice/manifests.d
  kustomize build . | coppice apply -f - --prune -l team=a --dry-run`,
		Args: onlyFiles,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(from.names) == 0 {
				return usagef("what is to be applied? Name it with -f, or -f - for standard input")
			}
			if err := o.parse(); err != nil {
				return err
			}
			list, err := c.asked(from)
			if err != nil {
				return err
			}
			return c.apply(cmd.Context(), list, o)
		},
	}
	from.flag(cmd, "")
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would be done")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the sessions are ready, as they are asked for now")
	cmd.Flags().DurationVar(&o.timeout, "timeout", readyTimeout, "how long to wait for each")
	c.quietFlag(cmd)
	return cmd
}

// ephemeral is the watched folder whose manifests a reboot sweeps away.
func (c *cli) ephemeral() string {
	if facts, running, err := presence.Look(c.runDir); err == nil && running {
		return facts.EphemeralDir
	}
	return c.layout().Manifests()
}

// folder is where manifests belong, as it is called in statuses. It must be there.
func (c *cli) folder(to string) (string, error) {
	folder := cmp.Or(to, c.ephemeral())
	if _, err := os.Stat(folder); err != nil {
		return "", fmt.Errorf("there is no folder %s; is coppiced running, and is --run-dir (or COPPICE_RUN_DIR) the same as its own?", folder)
	}
	return filepath.Abs(folder)
}

// apply drops each object into the folder, and takes away what is to be pruned.
func (c *cli) apply(ctx context.Context, list []spec.Object, o applyOptions) error {
	folder, err := c.folder(o.to)
	if err != nil {
		return err
	}
	if list, err = o.of(list); err != nil {
		return err
	}
	for _, object := range list {
		if err := c.elsewhere(object, folder); err != nil {
			return err
		}
	}
	// Sessions last: what they are grown from is there when they are heard of.
	slices.SortStableFunc(list, func(a, b spec.Object) int { return rank(referenceTo(b)) - rank(referenceTo(a)) })
	for _, object := range list {
		did, err := drop(folder, object, o.dryRun)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s %s\n", referenceTo(object), o.done(did))
	}
	if o.prune {
		if err := c.pruneApplied(folder, list, o); err != nil {
			return err
		}
	}
	if o.wait && !o.dryRun {
		return c.applied(ctx, list, o)
	}
	if gone := c.controllerGone(); gone != "" {
		fmt.Fprintln(c.errOut, "coppice: "+gone)
	}
	return nil
}

// applied waits until the sessions among objects are ready. One of whose new manifest
// nobody has heard yet is ready as it was asked for before, which does not count.
func (c *cli) applied(ctx context.Context, list []spec.Object, o applyOptions) error {
	for _, object := range list {
		if object.GetKind() != spec.KindSession {
			continue
		}
		ref, hash := referenceTo(object), spec.Hash(object)
		ready := goal{name: status.ConditionReady, ok: func(f *status.File) bool {
			return f != nil && f.Status.SpecHash == hash && f.IsTrue(status.ConditionReady)
		}}
		heard := c.progress(ref, false)
		err := c.waitFor(ctx, ref, ready, o.timeout, func(f *status.File) error {
			if f == nil || f.Status.SpecHash != hash || f.Status.ObservedGeneration < f.Metadata.Generation {
				return nil // what it tells is of before
			}
			return heard(f)
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s ready\n", ref)
	}
	return nil
}

// drop puts an object's manifest into a folder, unless dry, and says what that does.
func drop(folder string, object spec.Object, dry bool) (did string, err error) {
	key := manifests.Key{Kind: object.GetKind(), Name: object.GetName()}
	after, err := text(object)
	if err != nil {
		return "", err
	}
	before, err := os.ReadFile(filepath.Join(folder, manifests.FileName(key)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		did = "created"
	case err != nil:
		return "", fmt.Errorf("look whether %s is there already: %w", referenceTo(object), err)
	case string(before) == after:
		return "unchanged", nil
	default:
		did = "configured"
	}
	if dry {
		return did, nil
	}
	_, err = manifests.Drop(folder, key, []byte(after))
	return did, err
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
