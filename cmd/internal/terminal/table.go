package terminal

import (
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// Cell is one field of a table.
type Cell struct {
	Text  string
	Style Style
}

// Cells are cells without a style.
func Cells(texts ...string) []Cell {
	row := make([]Cell, len(texts))
	for i, text := range texts {
		row[i].Text = text
	}
	return row
}

// Fit says what becomes of a last column that is too long for the terminal.
type Fit int

// The ways.
const (
	Cutting  Fit = iota // it is cut, so that a row is a line
	Wrapping            // it goes on below where it began
	Whole               // the terminal breaks it
	Clipping            // what does not fit is left out, whichever column it is in
)

// Table prints rows in columns. What is printed later stands below what was printed
// before, as far as it fits.
type Table struct {
	Out Output
	// Indent begins each line, Gap lies between two columns, and Least is what a column
	// takes at least together with its gap.
	Indent     string
	Gap, Least int
	Fit        Fit

	widths []int // what each column takes
}

// The least room that a last column is cut or broken for: with less it would say nothing.
const leastRoom = 16

// Print prints rows. All have the same number of cells.
func (t *Table) Print(rows ...[]Cell) error {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(t.widths) {
				t.widths = append(t.widths, t.Least)
			}
			t.widths[i] = max(t.widths[i], Width(tame(cell.Text))+t.Gap)
		}
	}
	var text strings.Builder
	for _, row := range rows {
		t.print(&text, row)
	}
	_, err := io.WriteString(t.Out, text.String())
	return err
}

func (t *Table) print(to *strings.Builder, row []Cell) {
	var line strings.Builder
	line.WriteString(t.Indent)
	start := Width(t.Indent)
	last := len(row) - 1
	for i, cell := range row[:last] {
		text := tame(cell.Text)
		if t.clips(start + t.widths[i]) {
			last = i
			break
		}
		line.WriteString(t.Out.Paint(cell.Style, text) + strings.Repeat(" ", t.widths[i]-Width(text)))
		start += t.widths[i]
	}
	for i, text := range t.fit(tame(row[last].Text), start) {
		if i > 0 {
			line.WriteString(strings.Repeat(" ", start))
		}
		line.WriteString(t.Out.Paint(row[last].Style, text))
		to.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		line.Reset()
	}
}

// clips reports whether what ends there is left out.
func (t *Table) clips(end int) bool {
	return t.Fit == Clipping && t.Out.Columns > 0 && end > t.Out.Columns
}

// fit returns the lines of a last cell that begins at a column.
func (t *Table) fit(text string, start int) []string {
	room := t.Out.Columns - start
	switch {
	case t.Out.Columns == 0 || t.Fit == Whole:
		return strings.Split(text, "\n")
	case t.Fit == Clipping:
		return []string{Cut(text, max(room, 0))}
	case t.Fit == Cutting:
		return []string{Cut(text, max(room, leastRoom))}
	case room < leastRoom:
		return strings.Split(text, "\n")
	}
	return Wrap(text, room)
}

// tame makes harmless what those inside a session, or a manifest, may have chosen.
func tame(text string) string {
	return printers.EscapeTerminal(text)
}
