package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

func newDescribe(c *cli) *cobra.Command {
	var pick selection
	cmd := &cobra.Command{
		Use:     "describe KIND NAME... | KIND -l LABELS",
		Aliases: []string{"desc", "show"},
		Short:   "Tell all that is known of an object: what it is made of, what it waits for and why",
		Example: `  coppice describe session build-1
  coppice describe chroot/bookworm
  coppice describe sessions -l suite=bookworm`,
		ValidArgsFunction: c.completeObjects,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := pick.parse(); err != nil {
				return err
			}
			refs, err := c.named(args, pick)
			if err != nil {
				return err
			}
			if len(refs) == 0 {
				return usagef("what is to be described? Name it, such as coppice describe session build-1")
			}
			for i, ref := range refs {
				file, err := c.one(ref)
				if err != nil {
					return err
				}
				if i > 0 {
					fmt.Fprintln(c.out)
				}
				describe(c.output(), file, time.Now())
			}
			if gone := c.controllerGone(); gone != "" {
				fmt.Fprintln(c.errOut, "\nNote: "+gone)
			}
			return nil
		},
	}
	pick.flag(cmd, "objects")
	return cmd
}

// describe prints an object for people.
func describe(to terminal.Output, f status.File, now time.Time) {
	s := f.Status
	var fields [][]terminal.Cell
	styled := func(name, value string, style terminal.Style) {
		if value != "" {
			fields = append(fields, []terminal.Cell{{Text: name + ":"}, {Text: value, Style: style}})
		}
	}
	field := func(name, value string) { styled(name, value, terminal.Plain) }
	field("Name", f.Metadata.Name)
	field("Kind", f.Kind)
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(f.Metadata.Labels)) {
		labels = append(labels, key+"="+f.Metadata.Labels[key])
	}
	field("Labels", strings.Join(labels, "\n"))
	field("UID", f.Metadata.UID)
	field("Manifest", place(s.Source))
	if s.Source != nil {
		field("Revision", s.Source.Revision)
	}
	if s.Folder != nil {
		field("Holds", holds(*s.Folder))
	}
	field("Generation", generation(f))
	styled("Phase", string(s.Phase), styleOf(s))
	field("Owner", s.Owner)
	field("Chroot", s.Chroot)
	field("Profile", s.Profile)
	if s.OpenSource {
		field("Writes to", "the source of its chroot")
	}
	field("Source open", s.OpenedBy)
	field("Root", s.Root)
	field("Namespace", s.Namespace)
	field("Admitted", moment(s.Admitted, now))
	field("Expires", moment(s.Expires, now))
	if s.IdleSince != nil {
		field("Idle", fmt.Sprintf("since %s; ends %s", moment(s.IdleSince, now), moment(s.IdleUntil, now)))
	}
	if s.Step != nil {
		field("Doing", step(*s.Step, now))
	}
	field("Next retry", moment(s.NextRetry, now))
	field("Sessions", strings.Join(s.Sessions, ", "))
	table := terminal.Table{Out: to, Gap: 2, Fit: terminal.Wrapping}
	_ = table.Print(fields...)
	describeConditions(to, s, now)
	describeObjects(to, s.Objects)
	describeLeases(to, s.Leases, now)
	describeProblems(to, s.Problems)
	describeEvents(to, s.Events, now)
}

func describeConditions(to terminal.Output, s status.Status, now time.Time) {
	rows := [][]terminal.Cell{terminal.Cells("TYPE", "STATUS", "REASON", "SINCE", "MESSAGE")}
	for _, c := range s.Conditions {
		row := terminal.Cells(c.Type, string(c.Status), c.Reason, age(&c.LastTransitionTime, now), c.Message)
		row[1].Style = styleOfCondition(c, styleOf(s))
		rows = append(rows, row)
	}
	section(to, "Conditions", rows)
}

func describeObjects(to terminal.Output, objects []status.Object) {
	rows := [][]terminal.Cell{terminal.Cells("ADDRESS", "KIND", "NAME", "")}
	for _, o := range objects {
		address := o.Address
		if o.Owner != "" {
			address = o.Owner + ":" + address
		}
		remark := terminal.Cell{Text: o.Note}
		if o.Limit > 0 {
			remark.Text = filled(o)
		}
		if o.Problem != "" {
			remark = terminal.Cell{Text: "! " + o.Problem, Style: terminal.Bad}
		}
		rows = append(rows, append(terminal.Cells(address, o.Kind, o.Name), remark))
	}
	section(to, "Objects", rows)
}

// filled says how much is used of what has a limit.
func filled(o status.Object) string {
	return fmt.Sprintf("%s of %s used (%d%%)", inUnits(o.Used), inUnits(o.Limit), int(float64(o.Used)/float64(o.Limit)*100))
}

func describeLeases(to terminal.Output, leases []status.Lease, now time.Time) {
	rows := [][]terminal.Cell{terminal.Cells("PID", "USER", "FOR", "COMMAND")}
	for _, l := range leases {
		rows = append(rows, terminal.Cells(strconv.Itoa(l.PID), l.User, age(&l.Since, now), l.Command))
	}
	section(to, "Inside", rows)
}

func describeProblems(to terminal.Output, problems []string) {
	if len(problems) == 0 {
		return
	}
	heading(to, "Problems")
	for _, p := range problems {
		fmt.Fprintln(to, "  "+strings.ReplaceAll(p, "\n", "\n    "))
	}
}

func describeEvents(to terminal.Output, events []status.Event, now time.Time) {
	rows := [][]terminal.Cell{terminal.Cells("AGE", "TYPE", "REASON", "MESSAGE")}
	for _, e := range events {
		when := age(&e.Time, now)
		if e.Count > 1 {
			when += fmt.Sprintf(" (%d times)", e.Count)
		}
		row := terminal.Cells(when, e.Type, e.Reason, e.Message)
		row[1].Style = styleOfEvent(e.Type)
		rows = append(rows, row)
	}
	section(to, "Events", rows)
}

// section prints rows below a heading, the first row being the columns' names.
// A text of several lines goes on below where it began.
func section(to terminal.Output, name string, rows [][]terminal.Cell) {
	if len(rows) < 2 {
		return
	}
	heading(to, name)
	for _, row := range rows {
		last := &row[len(row)-1]
		last.Text = strings.ReplaceAll(strings.TrimRight(last.Text, "\n"), "\n", "\n  ")
	}
	table := terminal.Table{Out: to, Indent: "  ", Gap: 2, Fit: terminal.Wrapping}
	_ = table.Print(rows...)
}

// heading begins a section.
func heading(to terminal.Output, name string) {
	fmt.Fprintln(to, to.Paint(terminal.Strong, name+":"))
}

// holds says what is known of a watched folder.
func holds(f status.Folder) string {
	parts := []string{fmt.Sprintf("%s in %s", count(f.Objects, "object"), count(f.Manifests, "manifest"))}
	for _, more := range []struct {
		is   bool
		what string
	}{
		{f.Refused > 0, fmt.Sprintf("%d of which cannot be had as written", f.Refused)},
		{f.Recursive, "with the folders in it"},
		{f.Ephemeral, "swept away by a reboot"},
		{f.Polled, "looked at each second, since its file system does not tell of changes"},
	} {
		if more.is {
			parts = append(parts, more.what)
		}
	}
	return strings.Join(parts, ", ")
}

// place says where a manifest stands.
func place(s *status.Source) string {
	if s == nil {
		return ""
	}
	text := s.Manifest
	if s.Line > 0 {
		text += fmt.Sprintf(":%d", s.Line)
	}
	if s.Document > 1 {
		text += fmt.Sprintf(" (document %d)", s.Document)
	}
	if _, err := os.Lstat(s.Manifest); err != nil {
		text += " (not there now)"
	}
	return text
}

func generation(f status.File) string {
	if f.Metadata.Generation == 0 {
		return ""
	}
	text := strconv.FormatInt(f.Metadata.Generation, 10)
	if f.Status.ObservedGeneration != f.Metadata.Generation {
		text += fmt.Sprintf(" (acted on: %d)", f.Status.ObservedGeneration)
	}
	return text
}

// moment prints a time, and how far it is away.
func moment(t *metav1.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	text := t.Local().Format("2006-01-02 15:04:05")
	if d := now.Sub(t.Time); d >= 0 {
		return text + " (" + duration.HumanDuration(d) + " ago)"
	}
	return text + " (in " + duration.HumanDuration(t.Sub(now)) + ")"
}

// step says what is being done, for how long, and how far it is.
func step(s status.Step, now time.Time) string {
	text := fmt.Sprintf("%s (%s), for ", activity(s), strings.TrimSpace(strings.ToLower(s.Operation)+" "+s.Address)) + age(&s.Since, now)
	switch {
	case s.Total > 0:
		text += fmt.Sprintf(", %s of %s (%d%%)", inUnits(s.Done), inUnits(s.Total), s.Done*100/s.Total)
	case s.Done > 0:
		text += ", " + inUnits(s.Done)
	}
	return text
}
