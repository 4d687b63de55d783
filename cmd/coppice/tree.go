package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/branches"
	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/spec"
	"coppice.dev/status"
)

func newTree(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "tree SESSION",
		Short:             "Show what was made for a session, and what it shares with others",
		Args:              oneArg("the name of a session"),
		ValidArgsFunction: c.completeFirst(spec.KindSession),
		RunE: func(_ *cobra.Command, args []string) error {
			ref := sessionReference(args[0])
			file, err := c.one(ref)
			if err != nil {
				return err
			}
			all, err := c.all(ref.noun)
			if err != nil {
				return err
			}
			printTree(c.output(), file, branches.Of(file, branches.Sharers(all, ref.name)))
			return nil
		},
	}
}

func sharedWith(names []string) string {
	if len(names) == 0 {
		return "shared with nobody else now"
	}
	return "shared with " + strings.Join(names, ", ")
}

// line is what is said of one object.
func line(label string, o status.Object) string {
	text := label
	if !strings.EqualFold(label, o.Kind) {
		text += "  " + strings.ToLower(o.Kind)
	}
	if o.Name != "" && o.Name != label {
		text += "  " + o.Name
	}
	if o.Note != "" {
		text += "  (" + o.Note + ")"
	}
	if o.Problem != "" {
		text += "  ! " + o.Problem
	}
	return text
}

func printTree(w terminal.Output, f status.File, list []*branches.Branch) {
	fmt.Fprintf(w, "session/%s  %s\n", f.Metadata.Name, w.Paint(styleOf(f.Status), string(f.Status.Phase)))
	printSubs(w, list, "")
}

func printSubs(w io.Writer, list []*branches.Branch, indent string) {
	for i, b := range list {
		fork, further := "├─ ", "│  "
		if i == len(list)-1 {
			fork, further = "└─ ", "   "
		}
		fmt.Fprintln(w, indent+fork+words(b))
		printSubs(w, b.Subs, indent+further)
	}
}

// words is what is said of one branch.
func words(b *branches.Branch) string {
	switch {
	case b.Base:
		return b.Label + "  " + sharedWith(b.Shared)
	case b.Object == nil:
		return b.Label
	}
	return line(b.Label, *b.Object)
}

// sessionReference names a session; "session/NAME" is taken too.
func sessionReference(name string) reference {
	n := nounOf(spec.KindSession)
	return reference{n, strings.TrimPrefix(name, n.singular+"/")}
}

// oneArg wants one argument, and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s wants %s, and got %d arguments", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}
