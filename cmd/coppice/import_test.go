package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imported is a folder of schroot's with a chroot that can be used and one that
// cannot.
func imported(t *testing.T, more string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"schroot.conf":       "[a]\ntype=directory\ndirectory=/srv/a\nprofile=p\n[B_1]\ntype=zfs-snapshot\nprofile=p\nzfs-dataset=x\n" + more,
		"p/fstab":            "",
		"p/copyfiles":        "/etc/hosts\n",
		"p/nssdatabases":     "",
		"chroot.d/.keep":     "",
		"setup.d/.gitignore": "",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// call runs a command that asks nothing of a daemon.
func call(args ...string) (out, errOut string, code int) {
	var o, e strings.Builder
	c := &cli{in: strings.NewReader(""), out: &o, errOut: &e}
	root := newRoot(c)
	root.SetArgs(args)
	root.SetOut(&o)
	root.SetErr(&e)
	code = c.exitCode(root.Execute())
	return o.String(), e.String(), code
}

func TestImportSchroot(t *testing.T) {
	folder := imported(t, "")
	out, errOut, code := call("import", "schroot", folder)
	if code != 0 || strings.Count(out, "\napiVersion: ") != 2 || !strings.Contains(out, "\n# apiVersion: ") {
		t.Errorf("code %d, printed\n%s", code, out)
	}
	for _, want := range []string{"2 chroots of schroot's in 1 file: 1 Chroot and 1 Profile made;", "cannot be used: b-1 (type=zfs-snapshot: there is no such source;", "W: "} {
		if !strings.Contains(errOut, want) {
			t.Errorf("no %q in\n%s", want, errOut)
		}
	}

	to := filepath.Join(t.TempDir(), "made", "here")
	out, _, code = call("import", "schroot", folder, "-o", to)
	if want := "profile/schroot-p written\nchroot/a written\nchroot/b-1 cannot be used: see " + to + "/chroot-b-1.yaml.refused\n"; code != 0 || out != want {
		t.Errorf("code %d, said\n%s", code, out)
	}
	if out, _, _ = call("import", "schroot", folder, "-o", to); !strings.Contains(out, "chroot/a unchanged\n") {
		t.Errorf("written again: %s", out)
	}
	if out, errOut, code = call("validate", to); code != 0 || out != "chroot/a is good\nprofile/schroot-p is good\n" {
		t.Errorf("code %d, %s%s", code, out, errOut)
	}
	if out, _, code = call("import", "schroot", folder, "--idle-timeout", "36h"); code != 0 || strings.Count(out, "    schroot.coppice.dev/idle-timeout: 36h0m0s\n") != 2 {
		t.Errorf("code %d, and of idle sessions\n%s", code, out)
	}
	out, errOut, code = call("export", "schroot", "-f", to)
	if code != 0 || !strings.Contains(out, "\n[a]\ntype=directory\ndirectory=/srv/a\nprofile=p\nunion-type=none\n") {
		t.Errorf("code %d, exported\n%s%s", code, out, errOut)
	}
}

func TestImportMistakes(t *testing.T) {
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"import"}, 2, "Try coppice import schroot"},
		{[]string{"export"}, 2, "Try coppice export schroot"},
		{[]string{"import", "schroot", "/nonexistent"}, 1, "open /nonexistent: no such file or directory"},
		{[]string{"import", "schroot", t.TempDir()}, 1, "neither schroot.conf nor chroot.d is in"},
		{[]string{"import", "schroot", imported(t, "[c]\ntype=directory\n")}, 1, "schroot.conf:9: [c] directory: required key is missing"},
		{[]string{"export", "schroot", "-f", "../../docs/examples", "none"}, 1, `there is no chroot "none"`},
		{[]string{"export", "schroot", "-f", "../../docs/examples/host-root.yaml"}, 1, "there are no chroots to export"},
	} {
		if _, errOut, code := call(row.args...); code != row.code || !strings.Contains(errOut, row.says) {
			t.Errorf("%v: code %d, said %s", row.args, code, errOut)
		}
	}
}
