package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes a folder with a bit of everything in it.
func tree(t *testing.T, at string) {
	t.Helper()
	script := `mkdir -p "$1/sub/deep"; echo one > "$1/one"; echo two > "$1/sub/-two"; printf '#!/bin/sh\n' > "$1/sub/run"
chmod 755 "$1/sub/run"; chmod 4755 "$1/one"; ln -s ../one "$1/sub/link"; ln -s /etc/passwd "$1/away"; mkfifo "$1/pipe"
ln "$1/sub/run" "$1/sub/again"; echo x > "$1/sub/$(printf 'new\nline')"; chmod 500 "$1/sub/deep"; touch -d @1000000000 "$1/sub"`
	if out, err := exec.Command("sh", "-ec", script, "sh", at).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// listed says what is in a folder: names, kinds, modes, sizes and links.
func listed(t *testing.T, at string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", `find . ! -name . ! -type p -printf '%P %y %m %s %l\n' | sed 's/ d \([0-9]*\) [0-9]*/ d \1/; s/ 4755/ 755/' | sort`)
	cmd.Dir = at
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestCopyTrees(t *testing.T) {
	d := newDaemon(t)
	src := filepath.Join(t.TempDir(), "src")
	tree(t, src)
	want := listed(t, src)
	for name, row := range map[string]struct {
		from, to func(dir string) string
		at       string
	}{
		"in, to a new name":       {func(string) string { return src }, func(dir string) string { return "full:" + dir + "/new" }, "new"},
		"in, to a folder":         {func(string) string { return src }, func(dir string) string { return "full:" + dir }, "src"},
		"in, what is in it":       {func(string) string { return src + "/." }, func(dir string) string { return "full:" + dir }, "."},
		"in, what is in it, new":  {func(string) string { return src + "/." }, func(dir string) string { return "full:" + dir + "/new" }, "new"},
		"out, to a new name":      {func(string) string { return "full:" + src }, func(dir string) string { return dir + "/new" }, "new"},
		"out, to a folder":        {func(string) string { return "full:" + src }, func(dir string) string { return dir }, "src"},
		"out, what is in it":      {func(string) string { return "full:" + src + "/." }, func(dir string) string { return dir }, "."},
		"out, what is in it, new": {func(string) string { return "full:" + src + "/." }, func(dir string) string { return dir + "/new" }, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out, errOut, code := d.coppice("cp", row.from(dir), row.to(dir))
			if out != "" || code != 1 || strings.Count(errOut, "left out") != 1 || !strings.Contains(errOut, "named pipe") {
				t.Errorf("code %d, out %q, err %q", code, out, errOut)
			}
			if got := listed(t, filepath.Join(dir, row.at)); got != want {
				t.Errorf("copied:\n%s\nwant:\n%s", got, want)
			}
			if info, err := os.Stat(filepath.Join(dir, row.at, "one")); err != nil || info.Mode()&os.ModeSetuid != 0 {
				t.Errorf("setuid came along: %v, %v", info, err)
			}
		})
	}
}

func TestCopyFiles(t *testing.T) {
	d := newDaemon(t)
	d.programs("bare", "sh", "cat", "chmod", "test")
	d.programs("empty")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("text\n"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, session := range []string{"full", "bare"} {
		for _, row := range [][]string{
			{file, session + ":" + dir + "/in-" + session, "/in-" + session},
			{session + ":" + file, dir + "/out-" + session, "/out-" + session},
		} {
			if _, errOut, code := d.coppice("cp", row[0], row[1]); code != 0 || errOut != "" {
				t.Errorf("cp %v: code %d, %s", row, code, errOut)
			}
			if text, err := os.ReadFile(dir + row[2]); err != nil || string(text) != "text\n" {
				t.Errorf("cp %v: %q, %v", row, text, err)
			}
		}
	}
	if info, err := os.Stat(dir + "/in-bare"); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("its mode: %v, %v", info.Mode(), err)
	}
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{dir, "bare:" + dir + "/x"}, 1, "no tar inside"},
		{[]string{"bare:" + dir + "/.", dir + "/x"}, 1, "no tar inside"},
		{[]string{"bare:" + dir + "/none", dir + "/x"}, 1, "cat inside ended with code 1"},
		{[]string{file, "empty:/x"}, 1, "neither tar nor a shell"},
		{[]string{"empty:/x", dir + "/x"}, 1, "neither tar nor cat"},
		{[]string{"full:" + dir + "/none", dir + "/x"}, 1, "tar inside ended"},
		{[]string{dir + "/none", "full:" + dir}, 1, "no such file"},
		{[]string{file, file, "full:" + dir + "/nowhere"}, 1, "no folder"},
		{[]string{"full:" + file, dir + "/nowhere/"}, 1, "no folder"},
		{[]string{"full:" + file, dir + "/nowhere/x"}, 1, "no such file"},
		{[]string{file, dir + "/x"}, 2, "neither is in a session"},
		{[]string{"full:/a", "full:/b"}, 2, "one of them must be on the host"},
		{[]string{"full:", "x"}, 2, "want SESSION:PATH"},
		{[]string{"full:/a"}, 2, "from where to where"},
	} {
		if _, errOut, code := d.coppice(append([]string{"cp"}, row.args...)...); code != row.code || !strings.Contains(errOut, row.says) {
			t.Errorf("cp %v: code %d, %s", row.args, code, errOut)
		}
	}
	left, err := filepath.Glob(dir + "/*")
	if err != nil || len(left) != 5 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestCopyFromHostileSession copies from a session whose tar is an evil one.
func TestCopyFromHostileSession(t *testing.T) {
	d := newDaemon(t)
	dir := t.TempDir()
	script := `cd "$1"; mkdir to; echo precious > victim; echo evil > evil; tar -cPf archive --transform 's,^,../,' evil; mv evil victim-of-evil`
	if out, err := exec.Command("sh", "-ec", script, "sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d.script("evil", "tar", "exec /bin/cat "+dir+"/archive")
	_, errOut, code := d.coppice("cp", "evil:/evil", dir+"/to")
	if code != 1 || !strings.Contains(errOut, `"../evil", which was not asked for`) {
		t.Errorf("code %d, %s", code, errOut)
	}
	d.script("endless", "tar", "exec /usr/bin/yes")
	if _, errOut, code := d.coppice("cp", "endless:/evil", dir+"/to"); code != 1 || !strings.Contains(errOut, "read what comes from the session") {
		t.Errorf("code %d, %s", code, errOut)
	}
	d.script("nothing", "tar", "exit 0")
	if _, errOut, code := d.coppice("cp", "nothing:/evil", dir+"/to"); code != 1 || !strings.Contains(errOut, "nothing came") {
		t.Errorf("code %d, %s", code, errOut)
	}
	if left, err := filepath.Glob(dir + "/to/*"); err != nil || len(left) > 0 {
		t.Errorf("written: %v, %v", left, err)
	}
	if _, err := os.Stat(dir + "/evil"); err == nil {
		t.Error("written outside of the destination")
	}
}
