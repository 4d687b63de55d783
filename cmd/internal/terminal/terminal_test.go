package terminal

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pseudo returns a terminal of that size, and the other end of it.
func pseudo(t *testing.T, rows, columns uint16) (tty, master *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty, master
}

func TestWhatAPlaceCanShow(t *testing.T) {
	tty, _ := pseudo(t, 24, 80)
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, row := range []struct {
		to            *os.File
		when          When
		kind, noColor string
		colour, live  bool
		columns       int
	}{
		{tty, Auto, "xterm", "", true, true, 80},
		{tty, Auto, "xterm", "1", false, true, 80},
		{tty, Always, "xterm", "1", true, true, 80},
		{tty, Never, "xterm", "", false, true, 80},
		{tty, Auto, "dumb", "", false, false, 80},
		{tty, Auto, "", "", false, false, 80},
		{tty, Always, "dumb", "", true, false, 80},
		{file, Auto, "xterm", "", false, false, 0},
		{file, Always, "xterm", "", true, false, 0},
		{file, Never, "xterm", "", false, false, 0},
	} {
		t.Setenv("TERM", row.kind)
		t.Setenv("NO_COLOR", row.noColor)
		if got := To(row.to, row.when); got.Colour != row.colour || got.Live != row.live || got.Columns != row.columns {
			t.Errorf("%+v: %+v", row, got.Screen)
		}
	}
	if got := To(&strings.Builder{}, Auto); got.Screen != (Screen{}) {
		t.Errorf("what is no file: %+v", got.Screen)
	}
	var when When
	if err := when.Set("Never"); err != nil || when != Never {
		t.Errorf("%q, %v", when, err)
	}
	if err := when.Set("sometimes"); err == nil || !strings.Contains(err.Error(), "want auto, always, never") {
		t.Errorf("sometimes: %v", err)
	}
}

func TestCut(t *testing.T) {
	for _, row := range []struct {
		text string
		room int
		want string
	}{
		{"session", 7, "session"}, {"session", 6, "sessi…"}, {"a session", 3, "a…"}, {"", 0, ""}, {"x", 0, ""}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"},
		{"日本語", 4, "日…"}, {"e\u0301e\u0301", 2, "e\u0301e\u0301"},
	} {
		if got := Cut(row.text, row.room); got != row.want {
			t.Errorf("%q in %d: %q, want %q", row.text, row.room, got, row.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, row := range []struct {
		text string
		room int
		want []string
	}{
		{"one two three", 20, []string{"one two three"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"/a/long/path is kept", 6, []string{"/a/long/path", "is", "kept"}},
		{"one\n  two\n", 20, []string{"one", "  two"}},
		{"", 20, []string{""}},
	} {
		if got := Wrap(row.text, row.room); !slices.Equal(got, row.want) {
			t.Errorf("%q in %d: %q, want %q", row.text, row.room, got, row.want)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]Cell{Cells("NAME", "MESSAGE"), {{"a", Good}, {"it waits for another one", Plain}}, {{"", Plain}, {"b", Plain}}}
	for _, row := range []struct {
		what   string
		screen Screen
		fit    Fit
		want   string
	}{
		{"a pipe", Screen{}, Cutting, "NAME   MESSAGE\na      it waits for another one\n       b\n"},
		{"a terminal", Screen{Columns: 25}, Cutting, "NAME   MESSAGE\na      it waits for anot…\n       b\n"},
		{"broken", Screen{Columns: 25}, Wrapping, "NAME   MESSAGE\na      it waits for\n       another one\n       b\n"},
		{"whole", Screen{Columns: 25}, Whole, "NAME   MESSAGE\na      it waits for another one\n       b\n"},
		{"no room", Screen{Columns: 9}, Cutting, "NAME   MESSAGE\na      it waits for an…\n       b\n"},
		{"no room to break", Screen{Columns: 9}, Wrapping, "NAME   MESSAGE\na      it waits for another one\n       b\n"},
		{"clipped", Screen{Columns: 10}, Clipping, "NAME   ME…\na      it…\n       b\n"},
		{"clipped early", Screen{Columns: 6}, Clipping, "NAME\na\n\n"},
		{"colours", Screen{Columns: 25, Colour: true}, Cutting, "NAME   MESSAGE\n\x1b[32ma\x1b[0m      it waits for anot…\n       b\n"},
	} {
		var out strings.Builder
		table := Table{Out: Output{&out, row.screen}, Gap: 3, Least: 6, Fit: row.fit}
		if err := table.Print(rows...); err != nil || out.String() != row.want {
			t.Errorf("%s: %v\n%q, want\n%q", row.what, err, out.String(), row.want)
		}
	}
}

// TestTableGoesOn prints rows later: they stand below those that were printed before.
func TestTableGoesOn(t *testing.T) {
	var out strings.Builder
	table := Table{Out: Output{Writer: &out}, Gap: 2, Indent: "  "}
	for _, row := range [][]Cell{Cells("longer", "x"), Cells("a", "evil \x1b[2J")} {
		if err := table.Print(row); err != nil {
			t.Fatal(err)
		}
	}
	if want := "  longer  x\n  a       evil ^[[2J\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestLine(t *testing.T) {
	var out strings.Builder
	line := Line{Out: Output{&out, Screen{Live: true, Columns: 11}}}
	line.Clear() // nothing is shown yet
	line.Show("it is being made")
	line.Clear()
	line.Clear()
	if want := "\rit is bei…\x1b[K\r\x1b[K"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	line = Line{Out: Output{&out, Screen{Columns: 11}}}
	line.Show("it is being made")
	line.Clear()
	if out.String() != "" {
		t.Errorf("where nothing can be written over: %q", out.String())
	}
}
