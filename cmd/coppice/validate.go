package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/spec"
	"coppice.dev/status"
)

func newValidate(c *cli) *cobra.Command {
	var from inputFlags
	var strict bool
	var output string
	cmd := &cobra.Command{
		Use:   "validate [-f] FILE|FOLDER|-...",
		Short: "Say what is wrong with manifests",
		Long: `Say what is wrong with manifests, one line a problem, each by itself and all of them
together: a name that is in two files, an alias that two chroots have, a session that
its chroot cannot have. No controller is needed, and none is asked to do anything.

What names a chroot or profile that is not among these manifests gets a warning, unless
the controller on this host has it. With --strict warnings count as mistakes.

The exit code is 0 if the manifests are good, 1 if something is wrong, 2 if they
cannot be read or the command was called wrongly.`,
		Example: `  coppice validate session.yaml
  coppice validate -R -f manifests/ --strict
  kustomize build . | coppice validate -
  coppice validate -f manifests/ -o json | jq -r '.problems[].message'`,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json"}, output) {
				return usagef("-o %s: want text or json", output)
			}
			if from.names = append(from.names, args...); len(from.names) == 0 {
				return usagef("what is to be validated? Name a file, a folder, or - for standard input")
			}
			inputs, err := c.readInputs(from)
			if err != nil {
				return &codeError{exitUsage, err}
			}
			found := c.validate(inputs, strict)
			if len(found.Objects)+len(found.Problems) == 0 {
				return &codeError{exitUsage, fmt.Errorf("there is nothing in these manifests")}
			}
			if output == "json" {
				err = encode(c.out, found, output, false)
			} else {
				c.tellFindings(found)
			}
			if err == nil && !found.Valid {
				return errProblems
			}
			return err
		},
	}
	from.flag(cmd, "")
	cmd.Flags().BoolVar(&strict, "strict", false, "take warnings for mistakes")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// findings are what is to be said of manifests.
type findings struct {
	Valid    bool      `json:"valid"`
	Objects  []located `json:"objects"`
	Problems []finding `json:"problems"`
}

// located is an object that is good by itself, and where it is written.
type located struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	File     string `json:"file"`
	Document int    `json:"document"`
	Line     int    `json:"line"`
}

// finding is a problem as machines read it.
type finding struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file"`
	Document int    `json:"document,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Path     string `json:"path,omitempty"`
	Message  string `json:"message"`
}

const (
	severityError   = "error"
	severityWarning = "warning"
)

// validate judges manifests. Warnings are in the way if it is strict.
func (c *cli) validate(inputs []input, strict bool) findings {
	problems, warnings := judge(inputs, c.known())
	found := findings{Valid: len(problems) == 0 && (!strict || len(warnings) == 0), Objects: []located{}, Problems: []finding{}}
	for _, in := range inputs {
		for _, d := range in.documents {
			if d.Object != nil {
				found.Objects = append(found.Objects, located{d.Kind, d.Name, in.name, d.Index, d.Line})
			}
		}
	}
	add := func(severity string, list []spec.Problem) {
		for _, p := range list {
			found.Problems = append(found.Problems, finding{severity, p.File, p.Document, p.Line, p.Column, p.Path, p.Message})
		}
	}
	add(severityError, problems)
	add(severityWarning, warnings)
	slices.SortStableFunc(found.Problems, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return found
}

// String is the line that people read.
func (f finding) String() string {
	p := spec.Problem{File: f.File, Document: f.Document, Line: f.Line, Column: f.Column, Path: f.Path, Message: f.Message}
	if f.Severity == severityWarning {
		if p.Path != "" {
			p.Message = p.Path + ": " + p.Message
		}
		p.Path = "warning"
	}
	return p.String()
}

// tellFindings tells people; what is good is only told when all is.
func (c *cli) tellFindings(found findings) {
	out := c.errors()
	for _, f := range found.Problems {
		style := terminal.Bad
		if f.Severity == severityWarning {
			style = terminal.Waiting
		}
		fmt.Fprintln(out, out.Paint(style, f.String()))
	}
	if !found.Valid {
		return
	}
	for _, o := range found.Objects {
		fmt.Fprintf(c.out, "%s is good\n", reference{nounOf(o.Kind), o.Name})
	}
}

// known returns the chroots and profiles of the controller on this host, as far as there
// is one and its manifests can be read.
func (c *cli) known() spec.References {
	refs := spec.References{Chroots: map[string]*spec.Chroot{}, Profiles: map[string]*spec.Profile{}}
	for _, kind := range []string{spec.KindChroot, spec.KindProfile} {
		files, err := status.List(c.layout().Status(), kind)
		if err != nil {
			continue // there is none, or it is nobody's business here
		}
		for _, f := range files {
			object, _, err := c.written(reference{nounOf(kind), f.Metadata.Name})
			switch o := object.(type) {
			case *spec.Chroot:
				refs.Chroots[o.Name] = o
			case *spec.Profile:
				refs.Profiles[o.Name] = o
			}
			_ = err // what cannot be read is not known
		}
	}
	return refs
}
