package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"coppice.dev/status"
)

// selection picks objects by their labels, as kubectl's -l does. Without one it
// picks all of them.
type selection struct {
	text     string
	selector labels.Selector
}

// flag adds -l to a command.
func (s *selection) flag(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&s.text, "selector", "l", "", what+" with these labels only: suite=bookworm, arch!=i386, team in (a,b), !old")
}

// parse reads what was given.
func (s *selection) parse() error {
	selector, err := labels.Parse(s.text)
	if err != nil {
		return usagef("-l %q: %v", s.text, err)
	}
	s.selector = selector
	return nil
}

// given reports whether there is any.
func (s *selection) given() bool { return strings.TrimSpace(s.text) != "" }

// takes reports whether an object with these labels is picked.
func (s *selection) takes(set map[string]string) bool {
	return s.selector == nil || s.selector.Matches(labels.Set(set))
}

// of returns those of the objects that are picked.
func (s *selection) of(files []status.File) []status.File {
	return slices.DeleteFunc(files, func(f status.File) bool { return !s.takes(f.Metadata.Labels) })
}

// picked returns the objects of a kind that a selection picks; there may be none.
func (c *cli) picked(args []string, pick selection) ([]reference, noun, error) {
	if len(args) != 1 || strings.Contains(args[0], "/") {
		return nil, noun{}, usagef("-l picks among the objects of one kind, such as sessions; name the kind, and no object")
	}
	n, err := parseNoun(args[0])
	if err != nil {
		return nil, noun{}, err
	}
	files, err := c.all(n)
	if err != nil {
		return nil, noun{}, err
	}
	var refs []reference
	for _, f := range pick.of(files) {
		refs = append(refs, reference{n, f.Metadata.Name})
	}
	return refs, n, nil
}

// nobody says that a selection picks none of a kind.
func (s selection) nobody(n noun) string {
	return fmt.Sprintf("there are no %s with the labels %s", n.plural, s.text)
}

// named returns the objects that a command line names, or picks with a selection. What
// it picks must be there.
func (c *cli) named(args []string, pick selection) ([]reference, error) {
	if !pick.given() {
		return parseReferences(args)
	}
	refs, n, err := c.picked(args, pick)
	if err == nil && len(refs) == 0 {
		err = fmt.Errorf("%s", pick.nobody(n))
	}
	return refs, err
}
