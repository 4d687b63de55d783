package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

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
				describe(c.out, file, time.Now())
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
func describe(to io.Writer, f status.File, now time.Time) {
	s := f.Status
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", name, value)
		}
	}
	field("Name", f.Metadata.Name)
	field("Kind", f.Kind)
	for i, key := range slices.Sorted(maps.Keys(f.Metadata.Labels)) {
		name := ""
		if i == 0 {
			name = "Labels:"
		}
		fmt.Fprintf(w, "%s\t%s=%s\n", name, key, f.Metadata.Labels[key])
	}
	field("UID", f.Metadata.UID)
	field("Manifest", place(s.Source))
	if s.Source != nil {
		field("Revision", s.Source.Revision)
	}
	if s.Folder != nil {
		field("Holds", holds(*s.Folder))
	}
	field("Generation", generation(f))
	field("Phase", string(s.Phase))
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
	_ = w.Flush()
	describeConditions(to, s.Conditions, now)
	describeObjects(to, s.Objects)
	describeLeases(to, s.Leases, now)
	describeProblems(to, s.Problems)
	describeEvents(to, s.Events, now)
}

func describeConditions(to io.Writer, conditions []metav1.Condition, now time.Time) {
	rows := [][]string{{"TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"}}
	for _, c := range conditions {
		rows = append(rows, []string{c.Type, string(c.Status), c.Reason, age(&c.LastTransitionTime, now), c.Message})
	}
	section(to, "Conditions", rows)
}

func describeObjects(to io.Writer, objects []status.Object) {
	rows := [][]string{{"ADDRESS", "KIND", "NAME", ""}}
	for _, o := range objects {
		address := o.Address
		if o.Owner != "" {
			address = o.Owner + ":" + address
		}
		remark := o.Note
		if o.Limit > 0 {
			remark = filled(o)
		}
		if o.Problem != "" {
			remark = "! " + o.Problem
		}
		rows = append(rows, []string{address, o.Kind, o.Name, remark})
	}
	section(to, "Objects", rows)
}

// filled says how much is used of what has a limit.
func filled(o status.Object) string {
	return fmt.Sprintf("%s of %s used (%d%%)", inUnits(o.Used), inUnits(o.Limit), int(float64(o.Used)/float64(o.Limit)*100))
}

func describeLeases(to io.Writer, leases []status.Lease, now time.Time) {
	rows := [][]string{{"PID", "USER", "FOR", "COMMAND"}}
	for _, l := range leases {
		rows = append(rows, []string{strconv.Itoa(l.PID), l.User, age(&l.Since, now), l.Command})
	}
	section(to, "Inside", rows)
}

func describeProblems(to io.Writer, problems []string) {
	if len(problems) == 0 {
		return
	}
	fmt.Fprintln(to, "Problems:")
	for _, p := range problems {
		fmt.Fprintln(to, "  "+strings.ReplaceAll(p, "\n", "\n    "))
	}
}

func describeEvents(to io.Writer, events []status.Event, now time.Time) {
	rows := [][]string{{"AGE", "TYPE", "REASON", "MESSAGE"}}
	for _, e := range events {
		when := age(&e.Time, now)
		if e.Count > 1 {
			when += fmt.Sprintf(" (%d times)", e.Count)
		}
		rows = append(rows, []string{when, e.Type, e.Reason, e.Message})
	}
	section(to, "Events", rows)
}

// section prints rows below a heading, the first row being the columns' names.
// A text of several lines goes on below where it began.
func section(to io.Writer, heading string, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	fmt.Fprintln(to, heading+":")
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		last := strings.Split(strings.TrimRight(row[len(row)-1], "\n"), "\n")
		head := "  " + strings.Join(row[:len(row)-1], "\t") + "\t"
		fmt.Fprintln(w, strings.TrimRight(head+last[0], " "))
		for _, line := range last[1:] {
			fmt.Fprintln(w, "  "+strings.Repeat("\t", len(row)-1)+"  "+line)
		}
	}
	_ = w.Flush()
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
	text := strings.ToLower(s.Operation) + " " + s.Address + ", for " + age(&s.Since, now)
	switch {
	case s.Total > 0:
		text += fmt.Sprintf(", %s of %s (%d%%)", inUnits(s.Done), inUnits(s.Total), s.Done*100/s.Total)
	case s.Done > 0:
		text += ", " + inUnits(s.Done)
	}
	return text
}
