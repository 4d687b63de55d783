package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// topOptions are how it is told who uses what, and of which sessions.
type topOptions struct {
	sortBy, output  string
	interval        time.Duration
	times           int
	noHeaders, disk bool
	selection       selection
	names           []string
}

// topOutputs are the words for -o of top.
var topOutputs = []string{"table", "json", "yaml"}

func newTop(c *cli) *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top [sessions] [SESSION...]",
		Short: "Show which sessions use the machine: processors, memory, disk",
		Long: `Show which sessions use the machine, the one that uses most first. On a terminal the
picture is drawn anew until Ctrl-C; elsewhere it is printed once, or as often as -n
says.

CPU is the processor time of the last interval: 100% is one processor, all the time.
MEMORY is what the session's cgroup counts, without what the kernel can drop; where
none counts it, that of all processes, of which what they share counts twice (~). DISK
is what was written in the session, as far as you may look at it: root may. No
controller is asked for any of it.`,
		Example: `  coppice top
  coppice top --sort-by memory -l suite=bookworm
  coppice top -n 1 -o json | jq -r '.items[] | select(.cpuPercent > 90) | .session'`,
		ValidArgsFunction: c.completeSessions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(args); err != nil {
				return err
			}
			return c.top(cmd.Context(), o)
		},
	}
	o.selection.flag(cmd, "sessions")
	cmd.Flags().StringVar(&o.sortBy, "sort-by", "cpu", strings.Join(topOrders(), ", "))
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", strings.Join(topOutputs, ", "))
	cmd.Flags().DurationVar(&o.interval, "interval", time.Second, "how long processor time is counted for each picture")
	cmd.Flags().IntVarP(&o.times, "iterations", "n", 0, "how many pictures; 0 is until Ctrl-C on a terminal, and one elsewhere")
	cmd.Flags().BoolVar(&o.disk, "disk", true, "add up what was written, which has to be walked through")
	cmd.Flags().BoolVar(&o.noHeaders, "no-headers", false, "leave out the line with the columns' names")
	_ = cmd.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions(topOrders(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(topOutputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// parse reads what was given.
func (o *topOptions) parse(args []string) error {
	switch {
	case !slices.Contains(topOutputs, o.output):
		return usagef("-o %s: want one of %s", o.output, strings.Join(topOutputs, ", "))
	case !slices.Contains(topOrders(), o.sortBy):
		return usagef("--sort-by %s: want one of %s", o.sortBy, strings.Join(topOrders(), ", "))
	case o.interval < 100*time.Millisecond:
		return usagef("--interval %s: at least 100ms", o.interval)
	case o.times < 0:
		return usagef("-n %d: how many pictures are that?", o.times)
	}
	if len(args) > 0 { // as in get sessions
		if n, err := parseNoun(args[0]); err == nil && n.kind == spec.KindSession {
			args = args[1:]
		}
	}
	for _, arg := range args {
		ref := sessionReference(arg)
		if ref.name == "" {
			return usagef("%q names no session", arg)
		}
		o.names = append(o.names, ref.name)
	}
	if len(o.names) > 0 && o.selection.given() {
		return usagef("name sessions, or pick them with -l; not both")
	}
	return o.selection.parse()
}

// takes reports whether a session is meant.
func (o *topOptions) takes(f status.File) bool {
	return (len(o.names) == 0 || slices.Contains(o.names, f.Metadata.Name)) && o.selection.takes(f.Metadata.Labels)
}

// top tells who uses what, once or again and again.
func (c *cli) top(ctx context.Context, o topOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := status.Watch(ctx, c.layout().Status(), spec.KindSession)
	if err != nil {
		return err
	}
	n := nounOf(spec.KindSession)
	files, err := c.all(n)
	if err != nil {
		return err
	}
	for _, name := range o.names {
		if _, err := c.one(reference{n, name}); err != nil {
			return err
		}
	}
	out := c.output()
	live := out.Live && o.output == "table"
	if o.times == 0 && !live {
		o.times = 1
	}
	s := newSampler(c.layout(), o)
	s.show(files)
	defer s.rest(cancel)
	s.begin(ctx, live)
	picture, table := terminal.Picture{Out: out}, newTable(out)
	for i := 0; o.times == 0 || i < o.times; i++ {
		if !s.wait(ctx, changes) { // Ctrl-C is how this ends
			if live {
				fmt.Fprintln(out) // the terminal has shown it where the next line begins
			}
			return nil
		}
		rows, err := s.sample()
		if err != nil {
			return err
		}
		if live {
			picture.Out = c.output() // the window may have another size now
			picture.Draw(screenful(table, picture.Out.Screen, rows, o))
		} else if err := c.printTop(rows, o, i); err != nil {
			return err
		}
	}
	return nil
}

// printTop prints one picture where it cannot be drawn over.
func (c *cli) printTop(rows []topRow, o topOptions, i int) error {
	if o.output != "table" {
		return encode(c.out, map[string]any{"apiVersion": "v1", "kind": "List", "items": rows}, o.output, o.times > 1)
	}
	if len(rows) == 0 {
		fmt.Fprintln(c.errOut, "No sessions found.")
		return nil
	}
	if i > 0 {
		fmt.Fprintln(c.out)
	}
	return newTable(c.output()).Print(topTable(rows, o.noHeaders)...)
}

// screenful is a picture with a line about all of it above.
func screenful(table *terminal.Table, screen terminal.Screen, rows []topRow, o topOptions) []string {
	var text strings.Builder
	table.Out, table.Fit = terminal.Output{Writer: &text, Screen: screen}, terminal.Clipping
	_ = table.Print(topTable(rows, o.noHeaders)...) // a text takes all of it
	head := totals(rows, o.sortBy)
	if screen.Columns > 0 {
		head = terminal.Cut(head, screen.Columns)
	}
	list := []string{screen.Paint(terminal.Strong, head)}
	for line := range strings.Lines(text.String()) {
		list = append(list, strings.TrimSuffix(line, "\n"))
	}
	return list
}

// totals sums a picture up.
func totals(rows []topRow, by string) string {
	var sum topRow
	for _, r := range rows {
		sum.Processes += r.Processes
		sum.CPU += r.CPU
		sum.Memory += r.Memory
		if r.Disk != nil {
			sum.Disk = new(*cmp.Or(sum.Disk, new(int64)) + *r.Disk)
		}
	}
	text := fmt.Sprintf("%s by %s: %s, CPU %.0f%%, memory %s", count(len(rows), "session"), by, processes(sum.Processes), sum.CPU, inUnits(sum.Memory))
	if sum.Disk != nil {
		text += ", disk " + inUnits(*sum.Disk)
	}
	return text
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}
