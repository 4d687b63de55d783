package tracer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice.dev/test/crash/tracer"
)

func TestMain(m *testing.M) {
	tracer.Main()
	os.Exit(m.Run())
}

// run ends a program at a point, with a folder of its own to work in.
func run(t *testing.T, at tracer.Point, script string) (tracer.Result, []string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dir := t.TempDir()
	var output strings.Builder
	result, rest, err := tracer.Run(ctx, tracer.Program{
		Args: append([]string{"/bin/busybox"}, strings.Fields(strings.ReplaceAll(script, "$", dir))...), Output: &output,
	}, at)
	if err != nil {
		t.Fatalf("%s: %v\n%s", at, err, output.String())
	}
	rest()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return result, names
}

func TestEndsAtTheCall(t *testing.T) {
	const script = "mkdir $/a $/b $/c"
	for _, row := range []struct {
		at   tracer.Point
		want string // folders made
	}{
		{tracer.Point{Call: 1, When: tracer.Before}, ""},
		{tracer.Point{Call: 2, When: tracer.Before}, "a"},
		{tracer.Point{Call: 1, When: tracer.After}, "a"},
		{tracer.Point{Call: 2, When: tracer.After}, "a b"},
		{tracer.Point{Call: 3, When: tracer.After}, "a b c"},
	} {
		result, names := run(t, row.at, script)
		got := strings.Join(names, " ")
		if got != row.want {
			t.Errorf("%s: %q is there, want %q", row.at, got, row.want)
		}
		if !result.Killed || len(result.Calls) != row.at.Call || !strings.Contains(result.Last(), "mkdir") {
			t.Errorf("%s: result %+v", row.at, result)
		}
		failed, is := errors.AsType[*exec.ExitError](result.Err)
		if !is || failed.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("%s: it ended by %v", row.at, result.Err)
		}
	}
}

// During a call there is no telling how far it comes, but what was done before
// is done.
func TestEndsDuringTheCall(t *testing.T) {
	result, names := run(t, tracer.Point{Call: 2, When: tracer.During}, "mkdir $/a $/b $/c")
	if !result.Killed || len(names) == 0 || names[0] != "a" {
		t.Errorf("result %+v, folders %v", result, names)
	}
}

func TestEndsByItself(t *testing.T) {
	result, names := run(t, tracer.Point{}, "mkdir $/a $/b")
	if result.Killed || result.Err != nil || len(result.Calls) != 2 || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("result %+v, folders %v", result, names)
	}
	if base := filepath.Base(strings.Fields(result.Calls[1])[2]); base != "b" {
		t.Errorf("call %q, want the path of b", result.Calls[1])
	}
}

// What the program started goes on when it is killed, and is answered.
func TestChildrenLiveOn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	script := "trap '' TERM; /bin/busybox mkdir " + dir + "/a; echo"
	var output strings.Builder
	for _, when := range []tracer.When{tracer.Before, tracer.After, tracer.During} {
		result, rest, err := tracer.Run(t.Context(), tracer.Program{Args: []string{"/bin/sh", "-c", script}, Output: &output}, tracer.Point{Call: 2, When: when})
		if err != nil {
			t.Fatal(err)
		}
		rest()
		if !result.Killed || !strings.HasPrefix(result.Last(), "its busybox: mkdir") {
			t.Errorf("%s: %+v", when, result)
		}
		if _, err := os.Stat(dir + "/a"); err != nil {
			t.Errorf("%s: the child did not go on: %v", when, err)
		}
		if err := os.RemoveAll(dir + "/a"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoSuchProgram(t *testing.T) {
	var output strings.Builder
	if _, _, err := tracer.Run(t.Context(), tracer.Program{Args: []string{"/no/such"}, Output: &output}, tracer.Point{}); err == nil || !strings.Contains(output.String(), "/no/such") {
		t.Errorf("error %v, output %q", err, output.String())
	}
}
