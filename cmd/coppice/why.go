package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

func newWhy(c *cli) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "why SESSION...",
		Short: "Say what a session waits for, who is in the way, and what to do",
		Long: `Say what a session waits for, who is in the way, and what to do.

For each process, loop device or mount that keeps a session from being made or
taken down it names the command that frees what is held. The exit code is 0 if
nothing is in the way of any of the sessions, 1 if something is.`,
		Example: `  coppice why build-1
  coppice why build-1 -o yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("of which session? Try %s SESSION", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: c.completeFirst("Session"),
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "yaml"}, output) {
				return usagef("-o %s: want text, json or yaml", output)
			}
			return c.why(args, output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or yaml")
	return cmd
}

// answer is what there is to be said of one session.
type answer struct {
	Session string `json:"session"`
	// Well is set if nothing is in its way.
	Well bool `json:"well"`
	// Is says in a sentence how it is.
	Is string `json:"is"`
	// Causes are what is wrong, the weightiest first.
	Causes []cause `json:"causes,omitempty"`
	// Doing is what is being done right now, Retry when it is tried again.
	Doing string       `json:"doing,omitempty"`
	Retry *metav1.Time `json:"retry,omitempty"`
	// Blockers are those in the way.
	Blockers []status.Blocker `json:"blockers,omitempty"`
	// Do is what to do, one thing a line.
	Do []string `json:"do,omitempty"`

	style terminal.Style
}

// cause is one thing that is wrong.
type cause struct {
	Reason  string      `json:"reason"`
	Message string      `json:"message"`
	Since   metav1.Time `json:"since"`
}

func (c *cli) why(names []string, output string) error {
	well := true
	for i, name := range names {
		file, err := c.one(sessionReference(name))
		if err != nil {
			return err
		}
		a := explain(file, time.Now())
		well = well && a.Well
		if output != "text" {
			if err := encode(c.out, a, output, i > 0); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		a.print(c.output(), time.Now())
	}
	if gone := c.controllerGone(); gone != "" {
		fmt.Fprintln(c.errOut, "Note: "+gone)
		well = false
	}
	if !well {
		return &codeError{code: exitFailure}
	}
	return nil
}

// explain says why a session is as it is. It is a plain function of its status.
func explain(f status.File, now time.Time) answer {
	s := f.Status
	a := answer{Session: f.Metadata.Name, Blockers: s.Blockers, Retry: s.NextRetry, Causes: causes(s), style: styleOf(s)}
	if s.Step != nil {
		a.Doing = step(*s.Step, now)
	}
	a.Well = len(a.Causes) == 0 && s.Phase == status.Ready
	a.Is = state(s, a.Well)
	if a.Well {
		a.Blockers = nil
		return a
	}
	for _, b := range s.Blockers {
		if !slices.Contains(a.Do, b.Free) {
			a.Do = append(a.Do, b.Free)
		}
	}
	if s.Advice != "" {
		a.Do = append(a.Do, s.Advice)
	}
	for _, object := range s.Objects {
		if object.Problem != "" {
			a.Causes = append(a.Causes, cause{Reason: "Damaged", Message: cmp.Or(object.Name, object.Address) + ": " + object.Problem})
		}
	}
	a.Do = append(a.Do, remedies(f)...)
	return a
}

// causes are the conditions that are not as they should be. Two that say the
// same are told once.
func causes(s status.Status) []cause {
	var list []cause
	add := func(c metav1.Condition) {
		if c.Type == "" || slices.ContainsFunc(list, func(known cause) bool { return known.Message == c.Message }) {
			return
		}
		list = append(list, cause{c.Reason, c.Message, c.LastTransitionTime})
	}
	for _, kind := range []string{status.ConditionReady, status.ConditionUpToDate} {
		if c := condition(s, kind); c.Status != metav1.ConditionTrue && c.Reason != "" {
			add(c)
		}
	}
	for _, kind := range []string{status.ConditionSuspended, status.ConditionStalled, status.ConditionReconciling} {
		if c := condition(s, kind); c.Status == metav1.ConditionTrue {
			add(c)
		}
	}
	return list
}

// state says in a sentence how a session is.
func state(s status.Status, well bool) string {
	switch {
	case well && len(s.Leases) > 0:
		return fmt.Sprintf("it is ready; nothing is in its way, and %s inside", people(len(s.Leases)))
	case well:
		return "it is ready; nothing is in its way"
	case s.Phase == status.Suspended && condition(s, status.ConditionReady).Status == metav1.ConditionTrue:
		return "it is suspended: it is left as it is, and can be used"
	case s.Phase == status.Suspended:
		return "it is suspended: it is left as it is, and cannot be used"
	case s.Phase == status.Ready, s.Phase == status.Degraded:
		return "it can be used, but something is wrong with it"
	case s.Phase == status.Terminating:
		return "it is being taken down"
	case s.Phase == status.Expired:
		return "its time to live is over; only its manifest is left"
	case s.Phase == status.Provisioning:
		return "it is being made"
	case s.Phase == status.Pending:
		return "it cannot be begun yet"
	}
	return "it could not be made"
}

func people(n int) string {
	if n == 1 {
		return "1 process is"
	}
	return strconv.Itoa(n) + " processes are"
}

// remedies are what to do about causes that name no advice of their own.
func remedies(f status.File) []string {
	var list []string
	s := f.Status
	if isHeld(s) {
		list = append(list, "put its manifest back, or let it go: coppice prune --confirm")
	}
	if len(s.Problems) > 0 && s.Source != nil {
		list = append(list, "mend its manifest, and check it: coppice validate "+s.Source.Manifest)
	}
	switch condition(s, status.ConditionReady).Reason {
	case status.ReasonSourceInUse, status.ReasonSourceOpen:
		list = append(list, "wait for those, or end them: see coppice ps, and coppice end SESSION")
	case "ChrootNotFound":
		list = append(list, "apply the chroot, or name another; there are those of: coppice get chroots")
	case "ProfileNotFound":
		list = append(list, "apply the profile, or name another; there are those of: coppice get profiles")
	case status.ReasonExpired:
		list = append(list, "be rid of it: coppice delete session "+f.Metadata.Name+"; or extend its ttl to begin anew")
	}
	if s.Suspended() {
		list = append(list, resumption(f))
	}
	if condition(s, status.ConditionStalled).Reason == status.ReasonDrifted {
		list = append(list, "put it right: coppice reconcile "+f.Metadata.Name)
	}
	if condition(s, status.ConditionUpToDate).Reason == "RecreateRequired" {
		list = append(list, "delete it and apply it again, or set updateStrategy: Recreate")
	}
	if s.NextRetry != nil && len(list) == 0 && s.Advice == "" {
		list = append(list, "nothing: it is tried again by itself")
	}
	return list
}

// resumption is how a suspended session goes on.
func resumption(f status.File) string {
	message := condition(f.Status, status.ConditionSuspended).Message
	if s := f.Status.Source; s != nil && !strings.Contains(message, "coppice resume") {
		return "take suspend: true out of " + s.Manifest
	}
	return "coppice resume " + f.Metadata.Name
}

// print tells the answer to a person.
func (a answer) print(to terminal.Output, now time.Time) {
	columns := width(to.Screen)
	fmt.Fprintf(to, "%s: %s\n", to.Paint(terminal.Strong, a.Session), to.Paint(a.style, a.Is))
	for _, c := range a.Causes {
		since := ""
		if !c.Since.IsZero() {
			since = " for " + age(&c.Since, now)
		}
		paragraph(to, columns, "  "+c.Reason+since+": ", c.Message)
	}
	if a.Doing != "" {
		paragraph(to, columns, "  doing: ", a.Doing)
	}
	if len(a.Blockers) > 0 {
		fmt.Fprintln(to, to.Paint(terminal.Strong, "in the way:"))
		rows := [][]terminal.Cell{terminal.Cells("PID", "USER", "COMMAND", "HOLDS", "FREED BY")}
		for _, b := range a.Blockers {
			pid := "-"
			if b.PID != 0 {
				pid = strconv.Itoa(b.PID)
			}
			rows = append(rows, terminal.Cells(pid, orDash(b.User), orDash(b.Command), orDash(b.Path), b.Free))
		}
		table := terminal.Table{Out: to, Indent: "  ", Gap: 2, Fit: terminal.Whole} // to be copied
		_ = table.Print(rows...)
	}
	if len(a.Do) > 0 {
		fmt.Fprintln(to, to.Paint(terminal.Strong, "what to do:"))
		for _, line := range a.Do {
			paragraph(to, columns, "  ", line)
		}
	}
	if a.Retry != nil {
		fmt.Fprintln(to, "tried again: "+moment(a.Retry, now))
	}
}

// paragraph prints a text after its first words, what follows indented, broken between
// words; its own lines stay lines of their own.
func paragraph(to io.Writer, columns int, first, text string) {
	const further = "    "
	indent := first
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		at := 0
		for word := range strings.FieldsSeq(line) {
			switch {
			case at == 0:
				fmt.Fprint(to, indent+word)
				at = len(indent) + len(word)
			case at+1+len(word) > columns:
				fmt.Fprint(to, "\n"+further+word)
				at = len(further) + len(word)
			default:
				fmt.Fprint(to, " "+word)
				at += 1 + len(word)
			}
		}
		fmt.Fprintln(to)
		indent = further
	}
}

// width is how many columns text takes; 100 where there is no terminal.
func width(screen terminal.Screen) int {
	const usual, least = 100, 40
	if screen.Columns < least {
		return usual
	}
	return screen.Columns
}
