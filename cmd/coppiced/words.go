package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"coppice.dev/controller"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
)

// nouns are what the kinds of objects are called, in the order in which they are
// told of.
var nouns = []struct {
	kind object.Kind
	noun string
}{
	{object.KindUpper, "upper"}, {object.KindTree, "tree"}, {object.KindSnapshot, "snapshot"}, {object.KindVolume, "snapshot"}, {object.KindDisk, "disk"}, {object.KindImage, "image"},
	{object.KindNamespace, "root"}, {object.KindMount, "mount"}, {object.KindView, "view"},
}

// made says what was kept of something, and what was made for it.
func made(a controller.Account, cameBack bool) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if i := slices.IndexFunc(a.Found, func(o object.Observed) bool { return o.Kind == object.KindHome && o.Spec == nil }); i >= 0 {
		say("record written again, since %s", a.Found[i].Note)
	}
	again := ""
	if cameBack {
		again = " again"
	}
	for _, n := range nouns {
		created := steps(a, plan.Create, n.kind)
		destroyed := steps(a, plan.Destroy, n.kind)
		was := slices.ContainsFunc(a.Found, func(o object.Observed) bool { return o.Kind == n.kind })
		keeps := n.kind == object.KindUpper || n.kind == object.KindTree || n.kind == object.KindSnapshot || n.kind == object.KindVolume
		switch {
		case cameBack && was && keeps && len(destroyed) == 0:
			say("%s kept", n.noun)
		case len(created) > 0 && len(destroyed) > 0 && keeps:
			say("%s made anew (%s)", n.noun, destroyed[0].Reason)
		case len(created) == 1:
			say("%s made%s", n.noun, again)
		case len(created) > 1:
			say("%s made%s", plural(len(created), n.noun), again)
		case len(destroyed) > 0:
			say("%s removed", plural(len(destroyed), n.noun))
		}
	}
	if n := len(steps(a, plan.Create, object.KindFile)); n > 0 {
		say("%s written", plural(n, "file"))
	}
	return strings.Join(append(parts, hooks(a)...), ", ")
}

// swept says what was taken away.
func swept(a controller.Account) string {
	var parts []string
	for _, n := range nouns {
		if gone := steps(a, plan.Destroy, n.kind); len(gone) > 0 {
			var more []string
			if a.Freed > 0 && (n.kind == object.KindUpper || n.kind == object.KindTree) {
				more = append(more, size(a.Freed))
			}
			if len(gone) == 1 && gone[0].Seen.Damage != "" {
				more = append(more, gone[0].Seen.Damage)
			}
			part := plural(len(gone), n.noun)
			if len(more) > 0 {
				part += " (" + strings.Join(more, "; ") + ")"
			}
			parts = append(parts, part)
		}
	}
	ended := map[int]bool{} // more than one look may have found the same
	for _, s := range steps(a, plan.Destroy, object.KindProcesses) {
		for _, user := range s.Seen.Users {
			ended[user.PID] = true
		}
	}
	if len(ended) > 0 {
		parts = append(parts, plural(len(ended), "process")+" ended")
	}
	parts = append(parts, hooks(a)...)
	if len(parts) == 0 {
		parts = []string{"no more than its folder"}
	}
	return strings.Join(parts, ", ")
}

// hooks says which hooks were run or undone.
func hooks(a controller.Account) []string {
	var parts []string
	for _, s := range a.Taken {
		if s.Kind() != object.KindHook {
			continue
		}
		from := s.Seen.Spec
		if s.Op != plan.Destroy {
			from = s.Object.Spec
		}
		hook, is := from.(object.Hook)
		if !is {
			continue
		}
		phase, word := spec.HookPhase(hook.Phase), "ran"
		switch {
		case s.Op == plan.Create && phase == spec.HookSetup,
			s.Op == plan.Amend && phase == spec.HookRecover && s.Seen.Print.Whole == "",
			s.Op == plan.Destroy && phase == spec.HookStop:
		case s.Op == plan.Destroy && len(hook.Undo) > 0:
			word = "undone"
		default:
			continue
		}
		parts = append(parts, fmt.Sprintf("%s hook %s %s", phase, hook.Name, word))
	}
	return parts
}

func steps(a controller.Account, op plan.Op, kind object.Kind) []plan.Step {
	return slices.DeleteFunc(slices.Clone(a.Taken), func(s plan.Step) bool { return s.Op != op || s.Kind() != kind })
}

func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %ses", n, noun)
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}

// size returns bytes in words.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 || value >= 10 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// printText prints a line for each thing there is to tell of, and one that sums
// all up.
func (r report) printText(w io.Writer) error {
	var rows [][3]string
	add := func(outcome, name, message string) {
		rows = append(rows, [3]string{outcome, name, strings.ReplaceAll(message, "\n", " ")})
	}
	for _, e := range r.Sessions {
		add(string(e.Outcome), "session "+e.Name, e.told())
	}
	for _, e := range r.Bases {
		name := "base " + e.Name
		if e.Source != "" {
			name += " of " + e.Source
		}
		add(string(e.Outcome), name, e.told())
	}
	for _, e := range r.Others {
		kind, name, _ := strings.Cut(e.Name, "/")
		add(string(e.Outcome), strings.ToLower(kind)+" "+name, e.told())
	}
	if r.Trash.Problem != "" {
		add(string(outcomeNotReady), "trash", r.Trash.Problem)
	}
	for _, s := range r.LeftAlone {
		add("left alone", s.Path, s.Why)
	}
	const widest = 40 // a longer name pushes only its own line aside
	var first, second int
	for _, row := range rows {
		first = max(first, len(row[0]))
		if len(row[1]) <= widest {
			second = max(second, len(row[1]))
		}
	}
	for _, row := range rows {
		line := fmt.Sprintf("%-*s  %-*s  %s", first, row[0], second, row[1], row[2])
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.total())
	return err
}

// told is the message with the reason before it, if something is wrong.
func (e entry) told() string {
	if e.Reason == "" {
		return e.Message
	}
	return e.Reason + ": " + e.Message
}

// total sums up: "total: 3 sessions (2 came back, 1 swept), 1 base (1 new); ...".
func (r report) total() string {
	parts := []string{counted(r.Sessions, "session"), counted(r.Bases, "base")}
	if len(r.Others) > 0 {
		parts = append(parts, counted(r.Others, "other object"))
	}
	if n := r.Trash.Removed; n > 0 {
		part := plural(n, "tree") + " removed from the trash"
		if r.Trash.Found > 0 {
			part += fmt.Sprintf(" (%d from before)", r.Trash.Found)
		}
		parts = append(parts, part)
	}
	if r.FreedBytes > 0 {
		parts = append(parts, size(r.FreedBytes)+" freed")
	}
	if n := len(r.LeftAlone); n > 0 {
		parts = append(parts, fmt.Sprintf("%d left alone", n))
	}
	return "total: " + strings.Join(parts, ", ")
}

// counted says how many there are, and of which outcome.
func counted(list []entry, noun string) string {
	if len(list) == 0 {
		return "no " + noun + "s"
	}
	var each []string
	for _, o := range []outcome{outcomeCameBack, outcomeNew, outcomeRepaired, outcomeAsItWas, outcomeExpired, outcomeAsleep, outcomeSwept, outcomeNotReady} {
		n := 0
		for _, e := range list {
			if e.Outcome == o {
				n++
			}
		}
		if n > 0 {
			each = append(each, fmt.Sprintf("%d %s", n, o))
		}
	}
	return fmt.Sprintf("%s (%s)", plural(len(list), noun), strings.Join(each, ", "))
}

// print prints the report in the format asked for.
func (r report) print(w io.Writer, format string) error {
	if cmp.Or(format, "text") == "text" {
		return r.printText(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
