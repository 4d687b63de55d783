package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/manifests"
	"coppice.dev/spec"
)

func newDiff(c *cli) *cobra.Command {
	var from inputFlags
	cmd := &cobra.Command{
		Use:   "diff -f FILE|FOLDER|-",
		Short: "Show how manifests differ from those that are there",
		Long: `Show what apply would change in the manifests that are there, as a unified diff of
the objects with their defaults filled in. Nothing is changed. What that would mean
for the machine is what coppice plan shows.

The exit code is 0 if there is no difference, 1 if there is one, 2 if that cannot be
told.`,
		Example: `  coppice diff -f session.yaml
  kustomize build . | coppice diff -f -`,
		Args: onlyFiles,
		RunE: func(*cobra.Command, []string) error {
			if len(from.names) == 0 {
				return usagef("what is to be compared? Name it with -f, or -f - for standard input")
			}
			differ, err := c.diff(from)
			if err != nil {
				return cannotTell(err)
			}
			if differ {
				return &codeError{code: exitFailure}
			}
			return nil
		},
	}
	from.flag(cmd, "")
	return cmd
}

// cannotTell ends a command whose exit code says whether there is a difference: where
// that cannot be told it is another.
func cannotTell(err error) error {
	if errors.Is(err, errProblems) {
		return &codeError{code: exitUsage}
	}
	return &codeError{exitUsage, err}
}

// diff prints how manifests differ from those that are there, and reports whether they
// do.
func (c *cli) diff(from inputFlags) (differ bool, err error) {
	list, err := c.asked(from)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(c.layout().Status()); err != nil {
		return false, c.absent() // nobody knows what is there
	}
	out := c.output()
	for _, o := range list {
		text, err := c.difference(o)
		if err != nil {
			return false, err
		}
		differ = differ || text != ""
		fmt.Fprint(out, painted(out.Screen, text))
	}
	return differ, nil
}

// difference returns how an object differs from the one of its name that is there.
func (c *cli) difference(o spec.Object) (string, error) {
	ref := referenceTo(o)
	now, from, err := c.written(ref)
	if err != nil {
		return "", err
	}
	before := ""
	if now == nil {
		from = "not there"
	} else if before, err = text(now); err != nil {
		return "", err
	}
	after, err := text(o)
	if err != nil {
		return "", err
	}
	return udiff.Unified(ref.String()+"\t"+from, ref.String()+"\tas asked for", before, after), nil
}

// painted is a unified diff with what is added and removed in colours.
func painted(screen terminal.Screen, diff string) string {
	var text strings.Builder
	head := true
	for line := range strings.Lines(diff) {
		line, style := strings.TrimSuffix(line, "\n"), terminal.Plain
		head = head && !strings.HasPrefix(line, "@@")
		switch {
		case head:
			style = terminal.Strong
		case strings.HasPrefix(line, "+"):
			style = terminal.Good
		case strings.HasPrefix(line, "-"):
			style = terminal.Bad
		case strings.HasPrefix(line, "@@"):
			style = terminal.Held
		}
		text.WriteString(screen.Paint(style, line) + "\n")
	}
	return text.String()
}

// text is an object as it is written in a manifest.
func text(o spec.Object) (string, error) {
	text, err := yaml.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", referenceTo(o), err)
	}
	return string(text), nil
}

// written returns an object as its manifest says it now, and which one that is; nil
// if there is none.
func (c *cli) written(ref reference) (o spec.Object, at string, err error) {
	file, err := c.peek(ref)
	if err != nil {
		return nil, "", err
	}
	if file == nil || file.Status.Source == nil {
		o, at = c.unheard(ref)
		return o, at, nil
	}
	at = file.Status.Source.Manifest
	documents, err := c.documents(at)
	if err != nil {
		return nil, "", fmt.Errorf("read manifest of %s: %w", ref, err)
	}
	i := slices.IndexFunc(documents, func(d spec.Document) bool { return d.Kind == ref.noun.kind && d.Name == ref.name })
	switch {
	case i < 0:
		return nil, "", nil
	case documents[i].Object == nil:
		return nil, "", fmt.Errorf("%s is written in %s, and cannot be read there: coppice validate %s", ref, at, at)
	}
	return documents[i].Object, at, nil
}

// unheard returns an object of which the controller has told nothing yet, and its
// manifest; nil if there is none.
func (c *cli) unheard(ref reference) (spec.Object, string) {
	if c.given == nil {
		c.given = c.asks()
	}
	entry := c.given[manifests.Key{Kind: ref.noun.kind, Name: ref.name}]
	return entry.Object, entry.Place.Manifest
}

// documents returns what a manifest in a watched folder holds; nothing if it is not there.
// What is wrong with it does not matter to who asks about one object of it.
func (c *cli) documents(path string) ([]spec.Document, error) {
	if known, is := c.read[path]; is {
		return known, nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	documents, _ := spec.Parse(path, text)
	if c.read == nil {
		c.read = map[string][]spec.Document{}
	}
	c.read[path] = documents
	return documents, nil
}
