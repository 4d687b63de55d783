package terminal

import "fmt"

// Line is a line that is written over again and again, where that can be done; elsewhere
// nothing is written.
type Line struct {
	Out   Output
	shown bool
}

// Show shows a text in the place of the last one. It is cut to fit, since one of two
// lines could not be written over.
func (l *Line) Show(text string) {
	if !l.Out.Live {
		return
	}
	if l.Out.Columns > 0 {
		text = Cut(text, l.Out.Columns-1) // in the last column some terminals begin a line
	}
	fmt.Fprint(l.Out, "\r"+text+eraseLine)
	l.shown = true
}

// Clear takes it away: what is printed next stands in its place.
func (l *Line) Clear() {
	if l.shown {
		fmt.Fprint(l.Out, "\r"+eraseLine)
		l.shown = false
	}
}

// eraseLine erases to the end of the line (ECMA-48: EL).
const eraseLine = "\x1b[K"
