// Package deb holds the tests of the scripts that make Debian packages.
package deb

import (
	"os/exec"
	"strings"
	"testing"
)

// version runs the script.
func version(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("./version", args...).Output()
	if err != nil {
		t.Fatalf("version %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// The rows are in the order of time, so each is newer than the one before.
func TestVersion(t *testing.T) {
	before := ""
	for _, c := range []struct{ description, commits, want string }{
		{"3f2a9bc", "99", "0~99.g3f2a9bc"},
		{"3f2a9bc-dirty", "99", "0~99.g3f2a9bc+dirty"},
		{"0000000", "100", "0~100.g0000000"},
		{"v0.1.0-rc1", "120", "0.1.0~rc1"},
		{"v0.1.0-rc1-2-g89abcde", "122", "0.1.0~rc1+2.g89abcde"},
		{"v0.1.0-rc2", "123", "0.1.0~rc2"},
		{"v0.1.0", "124", "0.1.0"},
		{"v0.1.0-dirty", "124", "0.1.0+0.dirty"},
		{"v0.1.0-9-gfffffff", "133", "0.1.0+9.gfffffff"},
		{"v0.1.0-9-gfffffff-dirty", "133", "0.1.0+9.gfffffff+dirty"},
		{"v0.1.0-10-g0000000", "134", "0.1.0+10.g0000000"},
		{"v0.1.1", "135", "0.1.1"},
		{"v0.10.0", "140", "0.10.0"},
		{"v1.0.0-beta-1", "150", "1.0.0~beta.1"},
		{"v1.0.0", "160", "1.0.0"},
	} {
		got := version(t, c.description, c.commits)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.description, got, c.want)
		}
		if before != "" {
			if err := exec.Command("dpkg", "--compare-versions", before, "lt", got).Run(); err != nil {
				t.Errorf("dpkg does not think that %s is older than %s: %v", before, got, err)
			}
		}
		before = got
	}
}

// Of this tree it knows the version by itself, and dpkg takes it for one.
func TestVersionOfThisTree(t *testing.T) {
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		t.Skip("not in a git repository")
	}
	if got := version(t); exec.Command("dpkg", "--validate-version", got).Run() != nil {
		t.Errorf("dpkg refuses the version %q", got)
	}
}
