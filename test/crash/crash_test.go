package main

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"coppice.dev/test/built"
	"coppice.dev/test/crash/tracer"
)

func TestMain(m *testing.M) {
	tracer.Main()
	os.Exit(m.Run())
}

// TestCrash is a thin cut of the whole enumeration, which `make crash` runs.
func TestCrash(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	bin, err := built.Commands(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := proof{
		daemon: bin + "/coppiced", folder: t.TempDir(), most: 1,
		jobs: runtime.NumCPU(), progress: func(line string) { t.Log(line) },
	}
	if err := p.choose("", ""); err != nil {
		t.Fatal(err)
	}
	report, err := p.run(t.Context())
	t.Log(report)
	if err != nil {
		t.Error(err)
	}
	for _, tally := range report.tallies {
		if tally.points.all() < 3 {
			t.Errorf("%s: too few points to prove anything", tally.line())
		}
	}
}

func TestDifference(t *testing.T) {
	for _, row := range []struct{ want, got, difference string }{
		{"a\nb", "a\nb", ""},
		{"a\nb", "a", "  missing: b"},
		{"a\nb", "b\na\nb\nc", "  too much: b\n  too much: c"},
	} {
		if got := difference(row.want, row.got); got != row.difference {
			t.Errorf("difference of %q and %q: %q, want %q", row.want, row.got, got, row.difference)
		}
	}
}

// What a world's text hides must be drawn anew each time, and nothing else.
func TestPlain(t *testing.T) {
	h := host{base: "/prefix"}
	for from, to := range map[string]string{
		"/dev/loop12 on /prefix/run":                          "/dev/loopN on $/run",
		"a.0123456789ab.ba9876543210.0011223344ff":            "a.0123456789ab.ba9876543210.INSTANCE",
		`{"uid":"u-1","admitted":"2026-01-01"}`:               `{"uid":"U","admitted":"T"}`,
		"upperdir=/prefix/u,uuid=on":                          "upperdir=$/u",
		"coppice/session/a#0123456789ab.0123456789ab on /etc": "coppice/session/a#0123456789ab.0123456789ab on /etc",
	} {
		if got := h.plain(from); got != to {
			t.Errorf("%q is %q, want %q", from, got, to)
		}
	}
}

func TestChoose(t *testing.T) {
	var p proof
	if err := p.choose("btrfs,plain", "end"); err != nil || len(p.kinds) != 2 || p.kinds[0].name != "btrfs" || len(p.phases) != 1 {
		t.Errorf("chosen %v, %v, %v", p.kinds, p.phases, err)
	}
	for _, wrong := range [][2]string{{"brtfs", ""}, {"", "middle"}} {
		if err := p.choose(wrong[0], wrong[1]); err == nil || !strings.Contains(err.Error(), "there are") {
			t.Errorf("%v: error %v, want what there is", wrong, err)
		}
	}
}
