package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// outputs are the words for -o.
var outputs = []string{"table", "wide", "json", "yaml", "name"}

type getOptions struct {
	output    string
	watch     bool
	noHeaders bool
	selection selection
	table     *terminal.Table
	template  template // nil unless output says itself what is printed
}

func newGet(c *cli) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:     "get sessions|chroots|profiles|manifests [NAME...]",
		Aliases: []string{"list", "ls"},
		Short:   "List sessions, chroots, profiles, or manifests that do not parse",
		Example: `  coppice get sessions
  coppice get session build-1 -o yaml
  coppice get sessions --watch
  coppice get sessions -l suite=bookworm -o wide
  coppice get session build-1 -o jsonpath='{.status.root}'
  coppice get sessions -o custom-columns=NAME:.metadata.name,ROOT:.status.root`,
		ValidArgsFunction: c.completeObjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("what is to be listed? Try coppice get sessions")
			}
			var err error
			if o.template, err = parseTemplate(o.output); err != nil {
				return err
			}
			if o.template == nil && !slices.Contains(outputs, o.output) {
				return usagef("-o %s: want one of %s, jsonpath=TEMPLATE, custom-columns=NAME:PATH,...", o.output, strings.Join(outputs, ", "))
			}
			if err := o.selection.parse(); err != nil {
				return err
			}
			return c.get(cmd.Context(), args, o)
		},
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", strings.Join(outputs, ", ")+", jsonpath=TEMPLATE, custom-columns=NAME:PATH,...")
	o.selection.flag(cmd, "objects")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "go on and print each change")
	cmd.Flags().BoolVar(&o.noHeaders, "no-headers", false, "leave out the line with the columns' names")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *cli) get(ctx context.Context, args []string, o getOptions) error {
	o.table = newTable(c.output())
	refs, err := parseReferences(args)
	if err != nil {
		return err
	}
	var n noun
	var names []string
	if len(refs) == 0 {
		n, err = parseNoun(args[0])
	} else {
		n = refs[0].noun
	}
	if err != nil {
		return err
	}
	if len(refs) > 0 && o.selection.given() {
		return usagef("name objects, or pick them with -l; not both")
	}
	var files []status.File
	for _, ref := range refs {
		if ref.noun != n {
			return usagef("one kind at a time, please: %s is no %s", ref, n.singular)
		}
		file, err := c.one(ref)
		if err != nil {
			return err
		}
		names, files = append(names, ref.name), append(files, file)
	}
	if len(refs) == 0 {
		if files, err = c.all(n); err != nil {
			return err
		}
		files = o.selection.of(files)
	}
	if err := c.print(n, files, len(refs) == 1, o); err != nil {
		return err
	}
	if o.watch {
		return c.follow(ctx, n, names, files, o)
	}
	if note := heldNote(files); note != "" && o.output != "name" {
		fmt.Fprintln(c.errOut, "Note: "+note)
	}
	if gone := c.controllerGone(); gone != "" {
		fmt.Fprintln(c.errOut, "Note: "+gone)
	}
	return nil
}

// print prints objects in the form asked for; single is for one that was named.
func (c *cli) print(n noun, files []status.File, single bool, o getOptions) error {
	if o.template != nil {
		return o.template.print(c.out, files, single || o.watch, !o.noHeaders)
	}
	switch o.output {
	case "name":
		for _, f := range files {
			fmt.Fprintln(c.out, reference{n, f.Metadata.Name})
		}
		return nil
	case "json", "yaml":
		var value any = list{APIVersion: "v1", Kind: "List", Items: files}
		if single || o.watch {
			for _, f := range files {
				if err := encode(c.out, f, o.output, o.watch); err != nil {
					return err
				}
			}
			return nil
		}
		return encode(c.out, value, o.output, false)
	}
	if len(files) == 0 && !o.watch {
		fmt.Fprintf(c.errOut, "No %s found.\n", n.plural)
		return nil
	}
	return printTable(o.table, n, files, tableOptions{wide: o.output == "wide", noHeaders: o.noHeaders, now: time.Now()})
}

// follow prints each change of the objects until the context is done.
func (c *cli) follow(ctx context.Context, n noun, names []string, printed []status.File, o getOptions) error {
	changes, err := status.Watch(ctx, c.layout().Status(), n.kind)
	if err != nil {
		return err
	}
	known := map[string]status.File{}
	for _, f := range printed {
		known[f.Metadata.Name] = f
	}
	o.noHeaders = o.noHeaders || len(printed) > 0
	for change := range changes {
		last, was := known[change.Name]
		switch {
		case len(names) > 0 && !slices.Contains(names, change.Name):
			continue
		case !was && (change.File == nil && o.selection.given() || change.File != nil && !o.selection.takes(change.File.Metadata.Labels)):
			continue
		case change.File == nil:
			last.Status = status.Status{Phase: phaseGone}
			delete(known, change.Name)
			if o.output == "json" || o.output == "yaml" {
				continue
			}
		case was && reflect.DeepEqual(last, *change.File):
			continue
		default:
			last = *change.File
			if known[change.Name] = last; !o.selection.takes(last.Metadata.Labels) {
				delete(known, change.Name) // it is told for the last time
			}
		}
		if err := c.print(n, []status.File{last}, true, o); err != nil {
			return err
		}
		o.noHeaders = true
	}
	return nil
}

// list is several objects, as kubectl prints them.
type list struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Items      []status.File `json:"items"`
}

func encode(w io.Writer, value any, output string, separate bool) error {
	var text []byte
	var err error
	if output == "json" {
		text, err = json.MarshalIndent(value, "", "    ")
		text = append(text, '\n')
	} else {
		text, err = yaml.Marshal(value)
		if separate {
			text = append([]byte("---\n"), text...)
		}
	}
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}
