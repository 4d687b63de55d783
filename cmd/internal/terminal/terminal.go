// Package terminal knows what the place can show that something is printed at: colours,
// how long a line may be, and whether a line can be written over.
//
// It never decides what is said, and what is no terminal gets nothing but the text: no
// colour, unless somebody insists, and no line that is cut.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// When says whether there are colours. It is the value of a flag.
type When string

// The values.
const (
	Auto   When = "auto" // on a terminal, unless the environment says otherwise
	Always When = "always"
	Never  When = "never"
)

// Words are what can be said of it.
var Words = []string{string(Auto), string(Always), string(Never)}

// String implements pflag.Value.
func (w *When) String() string { return string(*w) }

// Type implements pflag.Value.
func (*When) Type() string { return "when" }

// Set implements pflag.Value.
func (w *When) Set(text string) error {
	switch v := When(strings.ToLower(text)); v {
	case Auto, Always, Never:
		*w = v
		return nil
	}
	return fmt.Errorf("want %s", strings.Join(Words, ", "))
}

// Screen is what a place can show. The zero one is a file or a pipe.
type Screen struct {
	// Colour is set if there are colours.
	Colour bool
	// Live is set if what was written can be written over.
	Live bool
	// Columns and Rows are the size of the terminal; 0 if it is none, or does not know.
	Columns, Rows int
}

// Output is where something is printed, and what that can show.
type Output struct {
	io.Writer
	Screen
}

// To looks at what w can show now: a window may have another size a moment later.
func To(w io.Writer, colours When) Output {
	out := Output{Writer: w, Screen: Screen{Colour: colours == Always}}
	file, is := w.(*os.File)
	if !is || !term.IsTerminal(int(file.Fd())) {
		return out
	}
	if columns, rows, err := term.GetSize(int(file.Fd())); err == nil {
		out.Columns, out.Rows = columns, rows
	}
	kind := os.Getenv("TERM")
	out.Live = kind != "" && kind != "dumb"
	// https://no-color.org: there, and not empty, whatever it says.
	out.Colour = colours == Always || colours != Never && out.Live && os.Getenv("NO_COLOR") == ""
	return out
}

// Style is how a text is shown: the parameters of a terminal's SGR sequence (ECMA-48).
type Style string

// The styles, by what they mean.
const (
	Plain   Style = ""
	Good    Style = "32" // green: as wanted, or added
	Waiting Style = "33" // yellow: it will change, or should be looked at
	Bad     Style = "31" // red: only a person can help, or removed
	Held    Style = "36" // cyan: it is left as it is
	Faint   Style = "2"  // it is over
	Strong  Style = "1"  // headings
)

// Paint returns a text in a style, where there are colours.
func (s Screen) Paint(style Style, text string) string {
	if !s.Colour || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}
