package filling_test

import (
	"strings"
	"testing"

	"coppice.dev/reconcile/kernel/filling"
)

func TestFull(t *testing.T) {
	const mib = 1 << 20
	for _, row := range []struct {
		name    string
		is      filling.Space
		percent int
		says    string // "" for nothing
	}{
		{"nothing known", filling.Space{}, 0, ""},
		{"empty", filling.Space{Used: 0, Limit: 100 * mib, Files: 11, MostFiles: 1000}, 1, ""},
		{"just not", filling.Space{Used: 79 * mib, Limit: 100 * mib, Files: 11, MostFiles: 1000}, 79, ""},
		{"bytes", filling.Space{Used: 80 * mib, Limit: 100 * mib, Files: 11, MostFiles: 1000}, 80, "80.0 MiB of 100 MiB (80%)"},
		{"files", filling.Space{Used: 10 * mib, Limit: 100 * mib, Files: 900, MostFiles: 1000}, 90, "900 of 1000 files (90%)"},
		{"both", filling.Space{Used: 1000, Limit: 1000, Files: 1000, MostFiles: 1000}, 100, "1000 bytes of 1000 bytes (100%)"},
		{"without a limit of files", filling.Space{Used: 900 << 50, Limit: 1000 << 50, Files: 5, MostFiles: 0}, 90, "900 PiB of 1000 PiB (90%)"},
	} {
		if got := row.is.Percent(); got != row.percent {
			t.Errorf("%s: %d%%, want %d%%", row.name, got, row.percent)
		}
		if got := row.is.Full(); !strings.Contains(got, row.says) || (got == "") != (row.says == "") {
			t.Errorf("%s: it says %q, want %q", row.name, got, row.says)
		}
	}
}
