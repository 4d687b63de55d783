package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire"
)

func TestExec(t *testing.T) {
	d := newDaemon(t)
	d.programs("bare", "sh")
	d.settle("full", "Ready")
	if err := os.WriteFile(filepath.Join(d.path["bare"], "text"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		out  string
		code int
		says string
	}{
		{[]string{"full", "--", "echo", "hello"}, "hello\n", 0, ""},
		{[]string{"session/full", "--", "sh", "-c", "exit 3"}, "", 3, ""},
		{[]string{"full", "--", "sh", "-c", "kill -USR1 $$"}, "", 128 + 10, ""},
		{[]string{"gone", "--", "sh", "-c", "kill -KILL $$"}, "", 128 + 9, "was ended, and the command with it"},
		{[]string{"bare", "--", "vi"}, "", 127, "command not found"},
		{[]string{"bare", "--", "text"}, "", 126, "permission denied"},
		{[]string{"-d", "/usr/bin", "full", "--", "sh", "-c", "pwd"}, "/usr/bin\n", 0, ""},
		{[]string{"-t", "-T", "full"}, "", 2, "exclude each other"},
		{[]string{"--", "true"}, "", 2, "in which session?"},
		{[]string{"-t", "full", "--", "tty", "-s"}, "", 0, ""},
		{[]string{"-T", "full", "--", "tty", "-s"}, "", 1, ""},
	} {
		out, errOut, code := d.coppice(append([]string{"exec"}, row.args...)...)
		if out != row.out || code != row.code || !strings.Contains(errOut, row.says) || row.says == "" && errOut != "" {
			t.Errorf("exec %v: code %d, out %q, err %q", row.args, code, out, errOut)
		}
	}
}

func TestWhatIsAskedFor(t *testing.T) {
	d := newDaemon(t)
	t.Setenv("TERM", "dumb")
	t.Setenv("SECRET", "no")
	d.coppice("exec", "-u", "games", "s", "--", "true")
	d.coppice("exec", "-p", "-d", "/tmp", "s", "--", "true")
	first, second := d.commands()[0], d.commands()[1]
	if here, _ := os.Getwd(); first.User != "games" || first.Here != here || !slices.Equal(first.Env, []string{"TERM=dumb"}) || first.Terminal {
		t.Errorf("asked for %+v", first)
	}
	if !second.Preserve || second.Here != "" || second.Folder != "/tmp" || !slices.Contains(second.Env, "SECRET=no") {
		t.Errorf("asked for %+v", second)
	}
}

func TestRunEndsWhatItBegan(t *testing.T) {
	d := newDaemon(t)
	for _, row := range []struct {
		args []string
		code int
		kept bool
	}{
		{[]string{"c", "--", "sh", "-c", "exit 4"}, 4, false},
		{[]string{"--keep", "c", "--", "true"}, 0, true},
		{[]string{"--retain-on-failure", "c", "--", "true"}, 0, false},
		{[]string{"--retain-on-failure", "c", "--", "false"}, 1, true},
		{[]string{"c", "--", "nonesuch"}, 127, false},
	} {
		d.asked()
		_, errOut, code := d.coppice(append([]string{"run", "--name", "r"}, row.args...)...)
		asked := d.asked()
		ended := slices.Contains(asked, "DELETE /sessions/r")
		if code != row.code || ended == row.kept || strings.Contains(errOut, "kept session/r") != row.kept {
			t.Errorf("run %v: code %d, %s\nasked: %q", row.args, code, errOut, asked)
		}
	}
}

func TestBeginIsAskedForAsGiven(t *testing.T) {
	d := newDaemon(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--name", "n", "c"}, `{"name":"n","chroot":"c"}`},
		{[]string{"--name", "n", "--ttl", "1h", "c"}, `{"name":"n","chroot":"c","ttl":"1h0m0s"}`},
		{[]string{"--name", "n", "--hook-env", "A=b=c", "--hook-env", "B=", "c"}, `{"name":"n","chroot":"c","hookEnvironment":{"A":"b=c","B":""}}`},
		{[]string{"--name", "n", "--profile", "p", "/srv/root"}, `{"name":"n","folder":"/srv/root","profile":"p"}`},
	} {
		d.asked()
		out, errOut, code := d.coppice(append([]string{"begin"}, row.args...)...)
		asked := d.asked()
		if code != 0 || out != "n\n" || !slices.Contains(asked, "POST /sessions "+row.want) {
			t.Errorf("begin %v: code %d, out %q, err %q\nasked: %q", row.args, code, out, errOut, asked)
		}
	}
	if out, errOut, code := d.coppice("end", "n"); code != 0 || out != "session/n ended\n" {
		t.Errorf("end: code %d, out %q, err %q", code, out, errOut)
	}
}

func TestShellKnowsSessionsFromChroots(t *testing.T) {
	d := newDaemon(t)
	d.settle("full", "Ready")
	for arg, want := range map[string]string{
		"full": "full,", "session/other": "other,", "chroot/full": ",full", "new": ",new", "/srv/x": ",/srv/x",
	} {
		session, chroot, err := (&cli{runDir: d.runDir}).inhabitable(arg)
		if got := session + "," + chroot; err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", arg, got, err, want)
		}
	}
}

func TestRefusalsAreToldAsTheyAre(t *testing.T) {
	d := newDaemon(t)
	const message = "games is in none of the lists of chroot c"
	d.refuses(&wire.Error{Reason: "Forbidden", Message: message})
	for command, code := range map[string]int{"exec s -- true": 125, "run c -- true": 125, "begin c": 1, "end s": 1, "ps": 1, "shell session/s": 125, "cp s:/a .": 1} {
		out, errOut, got := d.coppice(strings.Fields(command)...)
		if got != code || out != "" || !strings.Contains(errOut, message) {
			t.Errorf("%s: code %d, out %q, err %q", command, got, out, errOut)
		}
	}
	d.runDir = t.TempDir()
	for command, code := range map[string]int{"exec s -- true": 125, "run c -- true": 125, "begin c": 1, "end s": 1, "ps": 1} {
		if _, errOut, got := d.coppice(strings.Fields(command)...); got != code || !strings.Contains(errOut, "coppiced is not running") {
			t.Errorf("%s without a daemon: code %d, err %q", command, got, errOut)
		}
	}
}

func TestPs(t *testing.T) {
	d := newDaemon(t)
	out, _, _ := d.coppice("ps")
	if want := "SESSION   PID   USER    SINCE   COMMAND\na         42    games   60m     ev\uFFFD[2Jil\n"; out != want {
		t.Errorf("ps:\n%s\nwant:\n%s", out, want)
	}
	out, _, _ = d.coppice("ps", "-o", "json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0]["session"] != "a" || list[0]["pid"] != 42.0 {
		t.Errorf("ps -o json: %v\n%s", err, out)
	}
	if out, errOut, code := d.coppice("ps", "b"); code != 0 || out != "" || errOut != "Nobody is inside.\n" {
		t.Errorf("ps b: code %d, %q, %q", code, out, errOut)
	}
	if _, errOut, code := d.coppice("ps", "nobody"); code != 1 || !strings.Contains(errOut, `no session "nobody"`) {
		t.Errorf("ps nobody: code %d, %q", code, errOut)
	}
}
