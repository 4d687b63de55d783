package store

import (
	"strings"
	"testing"
)

func TestFull(t *testing.T) {
	const mib = 1 << 20
	for _, row := range []struct {
		name    string
		is      space
		percent int
		says    string // "" for nothing
	}{
		{"nothing known", space{}, 0, ""},
		{"empty", space{0, 100 * mib, 11, 1000}, 1, ""},
		{"just not", space{79 * mib, 100 * mib, 11, 1000}, 79, ""},
		{"bytes", space{80 * mib, 100 * mib, 11, 1000}, 80, "80.0 MiB of 100 MiB (80%)"},
		{"files", space{10 * mib, 100 * mib, 900, 1000}, 90, "900 of 1000 files (90%)"},
		{"both", space{1000, 1000, 1000, 1000}, 100, "1000 bytes of 1000 bytes (100%)"},
		{"without a limit of files", space{900 << 50, 1000 << 50, 5, 0}, 90, "900 PiB of 1000 PiB (90%)"},
	} {
		if got := row.is.percent(); got != row.percent {
			t.Errorf("%s: %d%%, want %d%%", row.name, got, row.percent)
		}
		if got := row.is.full(); !strings.Contains(got, row.says) || (got == "") != (row.says == "") {
			t.Errorf("%s: it says %q, want %q", row.name, got, row.says)
		}
	}
}
