package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// eventsOptions are how events are printed, and which.
type eventsOptions struct {
	output    string
	types     []string
	watch     bool
	noHeaders bool
	table     *terminal.Table
	selection selection
	// refs are the objects that are named; none for all of kinds.
	refs  []reference
	kinds []noun
}

func newEvents(c *cli) *cobra.Command {
	var o eventsOptions
	cmd := &cobra.Command{
		Use:   "events [KIND/NAME... | KIND NAME... | KIND]",
		Short: "List what happened last, to all objects or to some",
		Long: `List what happened last, to all objects or to some, the newest last. What happened to
an object is known as long as the object is, the last 20 things of each.`,
		Example: `  coppice events
  coppice events session/build-1 --watch
  coppice events sessions -l suite=bookworm --types=Warning`,
		ValidArgsFunction: c.completeReferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(args); err != nil {
				return err
			}
			return c.events(cmd.Context(), o)
		},
	}
	o.selection.flag(cmd, "events of objects")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", strings.Join(eventsOutputs, ", ")+"; wide cuts no message")
	cmd.Flags().StringSliceVar(&o.types, "types", nil, "only those: Normal, Warning")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "go on and print what happens")
	cmd.Flags().BoolVar(&o.noHeaders, "no-headers", false, "leave out the line with the columns' names")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(eventsOutputs, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("types", cobra.FixedCompletions([]string{status.EventNormal, status.EventWarning}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// eventsOutputs are the words for -o of events.
var eventsOutputs = []string{"table", "wide", "json", "yaml"}

// parse reads what was given.
func (o *eventsOptions) parse(args []string) (err error) {
	if !slices.Contains(eventsOutputs, o.output) {
		return usagef("-o %s: want one of %s", o.output, strings.Join(eventsOutputs, ", "))
	}
	for i, word := range o.types {
		at := slices.IndexFunc([]string{status.EventNormal, status.EventWarning}, func(known string) bool { return strings.EqualFold(known, word) })
		if at < 0 {
			return usagef("--types=%s: want Normal or Warning", word)
		}
		o.types[i] = []string{status.EventNormal, status.EventWarning}[at]
	}
	if err := o.selection.parse(); err != nil {
		return err
	}
	if o.refs, err = parseReferences(args); err != nil {
		return err
	}
	switch {
	case len(o.refs) > 0 && o.selection.given():
		return usagef("name objects, or pick them with -l; not both")
	case len(o.refs) > 0:
		for _, ref := range o.refs {
			if !slices.Contains(o.kinds, ref.noun) {
				o.kinds = append(o.kinds, ref.noun)
			}
		}
	case len(args) > 0:
		n, err := parseNoun(args[0])
		o.kinds = []noun{n}
		return err
	default:
		o.kinds = nouns
	}
	return nil
}

// takes reports whether the events of an object are meant.
func (o *eventsOptions) takes(f status.File) bool {
	named := len(o.refs) == 0 || slices.Contains(o.refs, reference{nounOf(f.Kind), f.Metadata.Name})
	return named && o.selection.takes(f.Metadata.Labels)
}

// happening is an event and what it happened to.
type happening struct {
	LastSeen metav1.Time `json:"lastSeen"`
	Type     string      `json:"type"`
	Reason   string      `json:"reason"`
	Object   involved    `json:"object"`
	Message  string      `json:"message"`
	Count    int         `json:"count"`
}

type involved struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// of returns the events of an object that are meant.
func (o *eventsOptions) of(f status.File) (list []happening) {
	for _, e := range f.Status.Events {
		if len(o.types) == 0 || slices.Contains(o.types, e.Type) {
			list = append(list, happening{e.Time, e.Type, e.Reason, involved{f.Kind, f.Metadata.Name}, e.Message, max(1, e.Count)})
		}
	}
	return list
}

func (c *cli) events(ctx context.Context, o eventsOptions) error {
	o.table = newTable(c.output())
	if o.output == "wide" {
		o.table.Fit = terminal.Whole
	}
	known := map[involved][]happening{}
	var list []happening
	for _, ref := range o.refs {
		if _, err := c.one(ref); err != nil {
			return err
		}
	}
	for _, n := range o.kinds {
		files, err := c.all(n)
		if err != nil {
			return err
		}
		for _, f := range files {
			if o.takes(f) {
				known[involved{f.Kind, f.Metadata.Name}] = o.of(f)
				list = append(list, o.of(f)...)
			}
		}
	}
	if err := c.printEvents(list, o); err != nil {
		return err
	}
	if o.watch {
		return c.followEvents(ctx, known, o, len(list) > 0)
	}
	if gone := c.controllerGone(); gone != "" {
		fmt.Fprintln(c.errOut, "Note: "+gone)
	}
	return nil
}

// followEvents prints what happens until the context is done.
func (c *cli) followEvents(ctx context.Context, known map[involved][]happening, o eventsOptions, began bool) error {
	var kinds []string
	for _, n := range o.kinds {
		kinds = append(kinds, n.kind)
	}
	changes, err := status.Watch(ctx, c.layout().Status(), kinds...)
	if err != nil {
		return err
	}
	o.noHeaders = o.noHeaders || began
	for change := range changes {
		what := involved{change.Kind, change.Name}
		if change.File == nil {
			delete(known, what)
			continue
		}
		if !o.takes(*change.File) {
			continue
		}
		now := o.of(*change.File)
		fresh := slices.DeleteFunc(slices.Clone(now), func(h happening) bool { return slices.ContainsFunc(known[what], h.is) })
		if known[what] = now; len(fresh) == 0 {
			continue
		}
		if err := c.printEvents(fresh, o); err != nil {
			return err
		}
		o.noHeaders = true
	}
	return nil
}

// is reports whether two are the same, and not one more of a kind.
func (h happening) is(other happening) bool {
	same := h.LastSeen.Equal(&other.LastSeen)
	h.LastSeen, other.LastSeen = metav1.Time{}, metav1.Time{}
	return same && h == other
}

// printEvents prints events in the order in which they happened.
func (c *cli) printEvents(list []happening, o eventsOptions) error {
	slices.SortStableFunc(list, func(a, b happening) int { return a.LastSeen.Compare(b.LastSeen.Time) })
	if o.output != "table" && o.output != "wide" {
		return c.encodeEvents(list, o)
	}
	if len(list) == 0 {
		if !o.watch {
			fmt.Fprintln(c.errOut, "Nothing has happened.")
		}
		return nil
	}
	var rows [][]terminal.Cell
	if !o.noHeaders {
		rows = append(rows, terminal.Cells("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"))
	}
	now := time.Now()
	for _, h := range list {
		when := age(&h.LastSeen, now)
		if h.Count > 1 {
			when += fmt.Sprintf(" (x%d)", h.Count)
		}
		row := terminal.Cells(when, h.Type, h.Reason, reference{nounOf(h.Object.Kind), h.Object.Name}.String(),
			strings.ReplaceAll(strings.TrimSpace(h.Message), "\n", "; "))
		row[1].Style = styleOfEvent(h.Type)
		rows = append(rows, row)
	}
	return o.table.Print(rows...)
}

// encodeEvents prints them for machines: in one list, or while watching one by one.
func (c *cli) encodeEvents(list []happening, o eventsOptions) error {
	if !o.watch {
		if list == nil {
			list = []happening{}
		}
		return encode(c.out, map[string]any{"apiVersion": "v1", "kind": "List", "items": list}, o.output, false)
	}
	for _, h := range list {
		if err := encode(c.out, h, o.output, true); err != nil {
			return err
		}
	}
	return nil
}
