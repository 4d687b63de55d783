package lifeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sleeper(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	identity, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, identity
}

func TestItEnds(t *testing.T) {
	var l Lines
	cmd, identity := sleeper(t)
	ended := make(chan struct{}, 10)
	for range 3 { // told once, however often it is asked
		if !l.Lives(identity, func() { ended <- struct{}{} }) {
			t.Fatal("it does not live")
		}
	}
	if len(ended) > 0 {
		t.Error("told that it ended while it lives")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("not told that it ended")
	}
	// It is a zombie now, which lives no more.
	if l.Lives(identity, func() { t.Error("told of what was known") }) {
		t.Error("it lives")
	}
	if _, err := Identify(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("identity of a zombie: %v", err)
	}
	if len(ended) > 0 {
		t.Error("told twice")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestOthers(t *testing.T) {
	var l Lines
	_, identity := sleeper(t)
	fields := strings.Fields(identity)
	never := func() { t.Error("told of the end of somebody unknown") }
	for name, other := range map[string]string{
		"started at another time": fmt.Sprintf("%s 1 %s", fields[0], fields[2]),
		"in another boot":         fmt.Sprintf("%s %s another", fields[0], fields[1]),
		"no process":              fmt.Sprintf("%d 1 %s", 1<<22-1, fields[2]),
		"all of them":             fmt.Sprintf("-1 1 %s", fields[2]),
		"nothing":                 "",
		"words":                   "a b c",
	} {
		if l.Lives(other, never) {
			t.Errorf("%s: it lives", name)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	var l Lines
	_, identity := sleeper(t)
	if !l.Lives(identity, func() { t.Error("told after the end") }) {
		t.Error("it does not live")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if !l.Lives(identity, func() { t.Error("told after the end") }) {
		t.Error("it does not live any more")
	}
}

func TestThisProcess(t *testing.T) {
	identity, err := Identify(os.Getpid())
	if err != nil || len(strings.Fields(identity)) != 3 {
		t.Errorf("%q, %v", identity, err)
	}
}
