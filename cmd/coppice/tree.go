package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/reconcile/object"
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
			printTree(c.out, sessionTree(file, sharers(all, ref.name)))
			return nil
		},
	}
}

// branch is one line of a tree, and the lines below it.
type branch struct {
	text string
	path string // of a mount, to put others below it
	subs []*branch
}

// sharers tells which other sessions use a base.
func sharers(all []status.File, except string) func(owner string) []string {
	return func(owner string) []string {
		var names []string
		for _, f := range all {
			uses := slices.ContainsFunc(f.Status.Objects, func(o status.Object) bool { return o.Owner == owner })
			if uses && f.Metadata.Name != except {
				names = append(names, f.Metadata.Name)
			}
		}
		return names
	}
}

// sessionTree arranges a session's objects: what it shares by owner, mounts by
// their paths below the root, everything else by its place in the order of
// making.
func sessionTree(f status.File, sharers func(string) []string) *branch {
	root := &branch{text: fmt.Sprintf("session/%s  %s", f.Metadata.Name, f.Status.Phase)}
	bases := map[string]*branch{}
	var namespace, tasks *branch
	for _, o := range f.Status.Objects {
		address := object.Address(o.Address)
		at := root
		label := address.Name()
		switch {
		case o.Owner != "":
			if bases[o.Owner] == nil {
				bases[o.Owner] = root.add(o.Owner + "  " + sharedWith(sharers(o.Owner)))
			}
			at = bases[o.Owner]
		case address.Group() == object.GroupMounts && namespace != nil:
			label = "/" + label
			at = namespace.below(label)
		case address.Group() == object.GroupTask:
			if tasks == nil {
				tasks = root.add("tasks")
			}
			at = tasks
		}
		made := at.add(line(label, o))
		switch address.Group() {
		case object.GroupRoot:
			namespace = made
		case object.GroupMounts:
			made.path = label
		}
	}
	return root
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

func (b *branch) add(text string) *branch {
	sub := &branch{text: text}
	b.subs = append(b.subs, sub)
	return sub
}

// below finds the deepest mount that the path lies below.
func (b *branch) below(path string) *branch {
	for _, sub := range b.subs {
		if sub.path != "" && strings.HasPrefix(path, sub.path+"/") {
			return sub.below(path)
		}
	}
	return b
}

func printTree(w io.Writer, b *branch) {
	fmt.Fprintln(w, b.text)
	printSubs(w, b, "")
}

func printSubs(w io.Writer, b *branch, indent string) {
	for i, sub := range b.subs {
		fork, further := "├─ ", "│  "
		if i == len(b.subs)-1 {
			fork, further = "└─ ", "   "
		}
		fmt.Fprintln(w, indent+fork+sub.text)
		printSubs(w, sub, indent+further)
	}
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
