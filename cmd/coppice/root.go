package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/coppice/internal/early"
	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/cmd/internal/version"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/layout"
	"coppice.dev/spec"
)

// cli is what the commands share.
type cli struct {
	in     io.Reader
	out    io.Writer
	errOut io.Writer
	runDir string
	// colours says when there are some.
	colours terminal.When
	// quiet shows nothing while something is waited for.
	quiet bool
	// began is set when a command has got as far as its own work.
	began bool
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

// output is where what was asked for is printed, and errors where the rest goes.
func (c *cli) output() terminal.Output { return terminal.To(c.out, c.colours) }
func (c *cli) errors() terminal.Output { return terminal.To(c.errOut, c.colours) }

func newRoot(c *cli) *cobra.Command {
	c.colours = terminal.Auto
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
		Args:          subcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// What is wrong before a command begins is wrong with how it was called.
		PersistentPreRun: func(*cobra.Command, []string) { c.began = true },
	}
	root.SetVersionTemplate("coppice {{.Version}}\n")
	root.SetFlagErrorFunc(wrongFlag)
	root.PersistentFlags().StringVar(&c.runDir, early.RunDirFlag, early.RunDir(),
		"the controller's run-time folder; or "+early.RunDirVariable)
	root.PersistentFlags().Var(&c.colours, "color", "colours: "+strings.Join(terminal.Words, ", ")+"; auto is on a terminal, unless NO_COLOR is set")
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(terminal.Words, cobra.ShellCompDirectiveNoFileComp))
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
	add(groupLook, newGet(c), newDescribe(c), newTree(c), newWhy(c), newEvents(c), newLogs(c), newPs(c), newTop(c), newWait(c), newExplain(c))
	add(groupUse, newExec(c), newShell(c), newRun(c), newBegin(c), newSave(c), newEnd(c), newCp(c))
	root.AddCommand(newDoctor(c), newVersion(c))
	root.SetHelpCommand(newHelp())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" { // cobra's own
			cmd.Args, cmd.RunE = subcommand, func(*cobra.Command, []string) error {
				return usagef("for which shell? Try coppice completion bash")
			}
			for _, shell := range cmd.Commands() {
				shell.Args = noArgs
			}
		}
	}
	return root
}

// newHelp is cobra's own, but for what it makes of a word that is no command: that is a
// mistake, as it is everywhere.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say what a command is for, and what it takes",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var words []string
			if of, _, err := cmd.Root().Find(args); err == nil {
				for _, below := range of.Commands() {
					if below.IsAvailableCommand() {
						words = append(words, below.Name()+"\t"+below.Short)
					}
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 && of.HasSubCommands() {
				return subcommand(of, rest)
			}
			of.InitDefaultHelpFlag() // so that it is among the flags
			return of.Help()
		},
	}
}

// subcommand refuses a word that is no command below this one: it is a mistake worth an
// answer, not the help.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("there is no command %q%s", strings.Join(append(strings.Fields(cmd.CommandPath())[1:], args[0]), " "), didYouMean(cmd, args[0]))
}

// The groups that the commands are listed in.
const (
	groupAsk  = "ask"
	groupLook = "look"
	groupUse  = "use"
)

// didYouMean returns a clause that offers what was perhaps meant.
func didYouMean(cmd *cobra.Command, word string) string {
	names := suggestions(cmd, word)
	if len(names) == 0 {
		return "; see " + cmd.CommandPath() + " --help"
	}
	return fmt.Sprintf("; did you mean %s?", strings.Join(names, " or "))
}
