package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"coppice.dev/spec"
)

func newDiff(c *cli) *cobra.Command {
	var files []string
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
			if len(files) == 0 {
				return usagef("what is to be compared? Name it with -f, or -f - for standard input")
			}
			list, err := c.asked(files)
			if errors.Is(err, errProblems) {
				return &codeError{code: exitUsage}
			}
			if err != nil {
				return &codeError{exitUsage, err}
			}
			differ := false
			for _, o := range list {
				text, err := c.difference(o)
				if err != nil {
					return &codeError{exitUsage, err}
				}
				differ = differ || text != ""
				fmt.Fprint(c.out, text)
			}
			if differ {
				return &codeError{code: exitFailure}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file, folder, or - for standard input; may be given more than once")
	return cmd
}

// asked returns what manifests ask for; all that is wrong with them is said.
func (c *cli) asked(files []string) ([]spec.Object, error) {
	inputs, err := c.readInputs(files)
	if err != nil {
		return nil, err
	}
	if c.report(inputs) > 0 {
		return nil, errProblems
	}
	return objects(inputs)
}

// difference returns how an object differs from the one of its name that is there.
func (c *cli) difference(o spec.Object) (string, error) {
	now, from, err := c.written(referenceTo(o))
	if err != nil {
		return "", err
	}
	before := ""
	if now != nil {
		text, err := yaml.Marshal(now)
		if err != nil {
			return "", fmt.Errorf("write %s: %w", referenceTo(o), err)
		}
		before = string(text)
	}
	after, err := yaml.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", referenceTo(o), err)
	}
	name := referenceTo(o).String()
	if from == "" {
		from = "not there"
	}
	return udiff.Unified(name+"\t"+from, name+"\tas asked for", before, string(after)), nil
}

// written returns an object as its manifest says it now, and which one that is; nil
// if there is none.
func (c *cli) written(ref reference) (spec.Object, string, error) {
	file, err := c.peek(ref)
	if err != nil || file == nil || file.Status.Source == nil {
		return nil, "", err
	}
	at := file.Status.Source.Manifest
	text, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read manifest of %s: %w", ref, err)
	}
	documents, _ := spec.Parse(at, text) // what is wrong with others does not matter
	for _, d := range documents {
		if d.Object != nil && d.Kind == ref.noun.kind && d.Name == ref.name {
			return d.Object, at, nil
		}
	}
	return nil, "", nil
}
