package terminal

import (
	"fmt"
	"strings"
)

// Up some lines to the first column, and erase to the end of the screen (ECMA-48: CUU,
// ED).
const (
	cursorUp  = "\x1b[%dA\r"
	eraseRest = "\x1b[J"
)

// Picture is some lines that are drawn again in the same place.
type Picture struct {
	Out   Output
	lines int
}

// Draw draws lines over those that were drawn last, and touches nothing else that is on
// the screen. Those that do not fit on it are left out.
func (p *Picture) Draw(lines []string) {
	if rows := p.Out.Rows - 1; rows > 0 && len(lines) > rows {
		lines = lines[:rows]
	}
	var text strings.Builder // written in one call, so that nothing flickers
	if p.lines > 0 {
		fmt.Fprintf(&text, cursorUp, p.lines)
	}
	for _, line := range lines {
		text.WriteString(line + eraseLine + "\n")
	}
	fmt.Fprint(p.Out, text.String()+eraseRest)
	p.lines = len(lines)
}
