package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/version"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/layout"
	"coppice.dev/spec"
)

// defaultRunDir is where the controller of the machine keeps its statuses.
const defaultRunDir = "/run/coppice"

// cli is what the commands share.
type cli struct {
	in     io.Reader
	out    io.Writer
	errOut io.Writer
	runDir string
	// read holds what was read of watched folders, by path: one file may hold
	// thousands of objects.
	read map[string][]spec.Document
	// given is what they held together, when it was asked for first.
	given map[manifests.Key]manifests.Entry
	// watched is what is watched for who waits.
	watched watching
}

// layout names the paths below the run-time folder.
func (c *cli) layout() layout.Layout { return layout.Layout{Run: c.runDir} }

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "coppice",
		Short: "Sessions that grow from a root file system and leave nothing behind",
		Long: `coppice asks the controller coppiced for sessions and looks at them.

A session is a disposable root: it grows from a chroot (a folder, an archive, an
image, a btrfs snapshot), is entered by commands, and is gone when its manifest
is. Manifests can be applied with this command or dropped into a watched folder
by hand; it is the same thing.`,
		Example: `  coppice apply -f session.yaml          ask for what a manifest says
  coppice wait --for=condition=Ready session/build-1
  coppice exec build-1 -- make           run a command inside
  coppice delete session build-1         leave nothing behind
  coppice run bookworm -- make           all of it in one`,
		Version:       version.Number(),
		SilenceErrors: true,
		SilenceUsage:  true,
		// A word that is no command is a mistake worth an answer, not the help.
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("there is no command %q%s", args[0], didYouMean(cmd.SuggestionsFor(args[0])))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("coppice {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&c.runDir, "run-dir", cmp.Or(os.Getenv("COPPICE_RUN_DIR"), defaultRunDir),
		"the controller's run-time folder; or COPPICE_RUN_DIR")
	root.AddGroup(
		&cobra.Group{ID: groupAsk, Title: "Ask for sessions:"},
		&cobra.Group{ID: groupLook, Title: "Look at them:"},
		&cobra.Group{ID: groupUse, Title: "Use them:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add(groupAsk, newApply(c), newValidate(c), newDiff(c), newPlan(c), newDelete(c), newPrune(c), newSuspend(c), newResume(c), newReconcile(c), newImport(c), newExport(c), newSchema(c))
	add(groupLook, newGet(c), newDescribe(c), newTree(c), newWhy(c), newEvents(c), newPs(c), newWait(c), newExplain(c))
	add(groupUse, newExec(c), newShell(c), newRun(c), newBegin(c), newSave(c), newEnd(c), newCp(c))
	root.AddCommand(newDoctor(c), newVersion(c))
	return root
}

// The groups that the commands are listed in.
const (
	groupAsk  = "ask"
	groupLook = "look"
	groupUse  = "use"
)

// didYouMean returns a clause that offers what was perhaps meant.
func didYouMean(names []string) string {
	if len(names) == 0 {
		return "; see coppice --help"
	}
	return fmt.Sprintf("; did you mean %s?", strings.Join(names, " or "))
}
