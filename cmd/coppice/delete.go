package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/manifests"
	"coppice.dev/reconcile/fault"
	"coppice.dev/spec"
	"coppice.dev/status"
)

func newDelete(c *cli) *cobra.Command {
	var from inputFlags
	var pick selection
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "delete KIND NAME... | KIND/NAME... | KIND -l LABELS | -f FILE",
		Aliases: []string{"rm"},
		Short:   "Leave nothing behind of sessions",
		Long: `Delete objects: take their manifests out of the watched folder, and wait until
nothing is left of them. A manifest that people or a sync tool wrote is never
touched; the command then says which file to remove.`,
		Example: `  coppice delete session build-1
  coppice delete -f session.yaml
  coppice delete sessions -l build=17`,
		ValidArgsFunction: c.completeReferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := pick.parse(); err != nil {
				return err
			}
			refs, err := c.toDelete(args, from, pick)
			if err != nil {
				return err
			}
			// One that is not there, or not ours, does not keep the others.
			var failed error
			refs = slices.DeleteFunc(refs, func(ref reference) bool {
				err := c.delete(ref)
				if _, gone := errors.AsType[*notFoundError](err); gone && pick.given() {
					return true // meanwhile; it was not asked for by its name
				}
				failed = errors.Join(failed, err)
				return err != nil
			})
			for _, ref := range refs {
				if wait && ref.noun.kind == spec.KindSession {
					if err := c.waitFor(cmd.Context(), ref, goal{gone: true}, timeout, nil); err != nil {
						return err
					}
				}
				fmt.Fprintf(c.out, "%s deleted\n", ref)
			}
			return failed
		},
	}
	from.flag(cmd, "delete what these manifests name: ")
	pick.flag(cmd, "objects")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until nothing is left")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for each")
	c.quietFlag(cmd)
	return cmd
}

// toDelete returns what the command line names.
func (c *cli) toDelete(args []string, from inputFlags, pick selection) ([]reference, error) {
	if pick.given() {
		if len(from.names) > 0 {
			return nil, usagef("-l picks among what is there; it does not go with -f")
		}
		refs, n, err := c.picked(args, pick)
		if err == nil && len(refs) == 0 { // which is what was wanted
			fmt.Fprintf(c.errOut, "Nothing to delete: %s.\n", pick.nobody(n))
		}
		return refs, err
	}
	refs, err := parseReferences(args)
	if err != nil {
		return nil, err
	}
	inputs, err := c.readInputs(from)
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		for _, d := range in.documents { // a mistake in it does not matter here
			if d.Kind != "" && d.Name != "" {
				refs = append(refs, reference{nounOf(d.Kind), d.Name})
			}
		}
	}
	if len(refs) == 0 {
		return nil, usagef("what is to be deleted? Name it as KIND NAME or KIND/NAME, such as session/build-1, or with -f")
	}
	return refs, nil
}

// delete takes an object's manifest away.
func (c *cli) delete(ref reference) error {
	file, err := c.one(ref)
	missing, isMissing := errors.AsType[*notFoundError](err)
	if err != nil && !isMissing {
		return err
	}
	if !isMissing && file.Status.Source == nil && file.Status.Phase == status.Terminating {
		return nil // it is going already
	}
	key := manifests.Key{Kind: ref.noun.kind, Name: ref.name}
	folder := c.ephemeral()
	if file.Status.Source != nil {
		at := file.Status.Source.Manifest
		_, err := os.Stat(at)
		gone := errors.Is(err, fs.ErrNotExist)
		if gone || isHeld(file.Status) {
			return c.letGo(ref, file)
		}
		if filepath.Base(at) != manifests.FileName(key) {
			return fmt.Errorf("%s is written in %s, which is not this command's to change; remove it there", ref, at)
		}
		folder = filepath.Dir(at)
	}
	there, err := c.withdraw(ref, folder, file.Metadata.UID, !isMissing)
	if err != nil {
		return err
	}
	if !there && isMissing {
		return missing
	}
	return nil
}

// letGo says that a session is to go whose manifest is gone already, be it suspended or
// held; of other objects there is nothing to be said.
func (c *cli) letGo(ref reference, file status.File) error {
	if ref.noun.kind != spec.KindSession {
		return nil
	}
	if err := c.wishes().Wish(ref.name, file.Metadata.UID); err != nil {
		return err
	}
	return manifests.Nudge(c.ephemeral())
}

// withdraw takes an object's manifest out of a folder. It reports whether there was one.
// Of a session it is said that it is meant to go, if it is: whoever says so means it,
// however many go with it, and suspended or not.
func (c *cli) withdraw(ref reference, folder, uid string, meant bool) (there bool, err error) {
	wish := func() error {
		if !meant || ref.noun.kind != spec.KindSession {
			return nil
		}
		return c.wishes().Wish(ref.name, uid)
	}
	unsaid := wish()
	if unsaid != nil && fault.ReasonOf(unsaid) != fault.NoSpace {
		return false, unsaid
	}
	there, err = manifests.Remove(folder, manifests.Key{Kind: ref.noun.kind, Name: ref.name})
	if err != nil {
		return there, err
	}
	if unsaid != nil && wish() != nil { // nor is there room now
		fmt.Fprintf(c.errOut, "Note: %s goes, unless too many go at once (see coppice get): %v\n", ref, unsaid)
	}
	return there, nil
}
