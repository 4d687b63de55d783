package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/manifests"
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

// picked returns the objects of a kind that a selection picks; there may be none. What was
// asked for a moment ago is among them, though the controller may not have told of it yet.
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
	takes := map[string]bool{}
	for _, f := range files {
		takes[f.Metadata.Name] = pick.takes(f.Metadata.Labels)
	}
	for key, entry := range c.asks() {
		if key.Kind == n.kind && entry.Object != nil {
			takes[key.Name] = pick.takes(entry.Object.GetLabels())
		}
	}
	var refs []reference
	for _, name := range slices.Sorted(maps.Keys(takes)) {
		if takes[name] {
			refs = append(refs, reference{n, name})
		}
	}
	return refs, n, nil
}

// asks returns what the watched folders hold now, as far as it can be read.
func (c *cli) asks() map[manifests.Key]manifests.Entry {
	facts, _, err := presence.Look(c.runDir)
	if err != nil || facts.EphemeralDir == "" {
		return nil // there was never a controller
	}
	source := manifests.Source{Folders: []manifests.Folder{{Path: facts.EphemeralDir, Ephemeral: true}}}
	for _, dir := range facts.ManifestDirs {
		source.Folders = append(source.Folders, manifests.Folder{Path: dir, Recursive: facts.Recursive})
	}
	return maps.Collect(source.Refresh().Entries.All())
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
