package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// quietFlag adds the flag by which nothing is shown while something is waited for.
func (c *cli) quietFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&c.quiet, "quiet", "q", false, "show nothing while waiting, on a terminal too")
}

// waiting shows on a terminal what is waited for, and how far it is; elsewhere nothing.
type waiting struct {
	*cli
	what  string
	since time.Time
	line  terminal.Line
}

// unshown is how long a wait may last of which nothing is shown: most are over before.
const unshown = 500 * time.Millisecond

func (c *cli) waiting(ref reference) *waiting {
	return &waiting{cli: c, what: ref.name, since: time.Now()}
}

// show shows how the object is now; nil is one that there is not.
func (w *waiting) show(f *status.File) {
	now := time.Now()
	if w.quiet || now.Sub(w.since) < unshown {
		return
	}
	w.line.Out = w.errors() // the window may have another size now
	w.line.Show(waitingLine(w.what, f, w.since, now, w.line.Out.Columns))
}

// clear takes the line away, before anything else is said.
func (w *waiting) clear() { w.line.Clear() }

// waitingLine says in a line what is done about an object, and how far it is.
func waitingLine(name string, f *status.File, since, now time.Time, columns int) string {
	text, far := name+": ", fmt.Sprintf(" (%s)", now.Sub(since).Round(time.Second))
	switch {
	case f == nil:
		return text + "coppiced has not told of it yet" + far
	case f.Status.Step == nil:
		line, _, _ := strings.Cut(why(f.Status), "\n")
		return text + line + far
	}
	s := *f.Status.Step
	text += activity(s)
	switch {
	case s.Total > 0 && s.Done >= s.Total:
		return text + ": all of " + inUnits(s.Total) + " is done, and is put on disk" + far
	case s.Total > 0:
		far = figures(s, now)
		return text + bar(s, columns-len(text)-len(far)) + far
	}
	return text + far
}

// figures are how far a step is, how fast it goes, and how long it will take at that.
func figures(s status.Step, now time.Time) string {
	text := fmt.Sprintf(" %d%% of %s", s.Done*100/s.Total, inUnits(s.Total))
	took := now.Sub(s.Since.Time).Seconds()
	if s.Done == 0 || took < 1 {
		return text
	}
	speed := float64(s.Done) / took
	left := time.Duration(float64(s.Total-s.Done) / speed * float64(time.Second))
	return text + fmt.Sprintf(", %s/s, %s left", inUnits(int64(speed)), left.Round(time.Second))
}

// bar is a picture of how far a step is, if there is room for one. It has one of a few
// sizes, so that it does not change with each figure.
func bar(s status.Step, room int) string {
	const unit, most, around = 10, 3, 4
	n := min((room-around)/unit, most) * unit
	if n <= 0 {
		return ""
	}
	full := int(s.Done * int64(n) / s.Total)
	return " [" + strings.Repeat("#", full) + strings.Repeat(".", n-full) + "]"
}

// activities are what is said of a step, by its operation and the beginning of its
// address; a % is the rest of it.
var activities = []struct{ operation, address, words string }{
	{"Create", "0-home/", "beginning"},
	{"Create", "1-device/image", "attaching the image"},
	{"Create", "1-device/", "making the snapshot"},
	{"Create", "2-layer/tree", "unpacking the archive"},
	{"Create", "2-layer/disk", "mounting the disk"},
	{"Create", "3-write/", "making its own layer"},
	{"Create", "4-root/", "making its root"},
	{"Create", "5-mounts/", "mounting /%"},
	{"Create", "6-inside/", "making room for processes"},
	{"Create", "7-view/", "showing its root"},
	{"Create", "8-task/1-file/", "copying /%"},
	{"Create", "8-task/2-database/", "copying /etc/%"},
	{"Create", "8-task/3-hook/", "running the hook %"},
	{"Amend", "2-layer/tree", "packing the archive again"},
	{"Destroy", "6-inside/", "ending what runs inside"},
	{"Destroy", "8-task/3-hook/", "undoing the hook %"},
	{"Observe", "", "looking at what is there"},
}

// activity says in a few words what is being done.
func activity(s status.Step) string {
	address := s.Address
	if _, own, is := strings.Cut(address, ":"); is && strings.HasPrefix(address, "base/") {
		address = own
	}
	for _, a := range activities {
		rest, is := strings.CutPrefix(address, a.address)
		if !is || s.Operation != a.operation {
			continue
		}
		if strings.Contains(a.address, "hook") { // they are numbered
			_, rest, _ = strings.Cut(rest, "-")
		}
		return strings.Replace(a.words, "%", rest, 1)
	}
	if s.Operation == "Destroy" {
		return "taking down " + address
	}
	return strings.ToLower(s.Operation) + " " + address
}
