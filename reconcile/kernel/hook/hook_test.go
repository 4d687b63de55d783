package hook_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/hook"
	"coppice.dev/reconcile/kernel/journal"
	"coppice.dev/reconcile/kernel/processes"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		os.Stderr.WriteString("skipped: needs root\n")
		return
	}
	goleak.VerifyTestMain(m)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// session is one with a home, and a root that is no more than a name.
type session struct {
	*testing.T
	driver   hook.Driver
	groups   processes.Driver
	base     string
	instance string // "" if there is no root
	inside   int    // a process in the session's namespace, or 0
	givenUp  []error
}

var sessions atomic.Int32

// newSession makes one; plain is a machine without cgroup v2.
func newSession(t *testing.T, plain bool) *session {
	t.Helper()
	s := &session{T: t, base: t.TempDir(), instance: "one"}
	notes := journal.Journal{Layout: layout.Layout{State: s.base + "/state"}}
	must(t, os.MkdirAll(notes.Layout.Home("s"), 0o700))
	s.groups = processes.Driver{Controller: fmt.Sprintf("hook-test-%d-%d", os.Getpid(), sessions.Add(1)), Rooms: s}
	if !plain {
		var err error
		s.groups.Groups, err = processes.FindGroups()
		must(t, err)
		if s.groups.Groups == "" {
			t.Fatal("no cgroup v2 on this machine")
		}
		t.Cleanup(func() {
			seen := object.Observed{ID: object.ID{Owner: object.SessionOwner("s")}, Spec: object.Processes{Grace: time.Nanosecond}}
			if err := errors.Join(s.groups.Destroy(t.Context(), seen), s.groups.Close()); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		})
	}
	s.driver = hook.Driver{
		Rooms: s, Groups: s.groups, Journal: notes,
		GivenUp: func(_ object.ID, err error) { s.givenUp = append(s.givenUp, err) },
	}
	return s
}

// both runs a test with cgroup v2 and without.
func both(t *testing.T, test func(*session)) {
	for name, plain := range map[string]bool{"with cgroups": false, "without": true} {
		t.Run(name, func(t *testing.T) { test(newSession(t, plain)) })
	}
}

func (s *session) Open(string) (*os.File, error) {
	if s.inside == 0 {
		return nil, fmt.Errorf("open namespace: %w", fs.ErrNotExist)
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/mnt", s.inside))
}

func (s *session) Instance(string) (string, string, bool, error) {
	return "/the/pin", s.instance, s.instance != "", nil
}

func (s *session) hook(name string, h object.Hook) object.Object {
	h.Name = name
	if h.Phase == "" {
		h.Phase = "setup"
	}
	if h.Timeout == 0 {
		h.Timeout = 20 * time.Second
	}
	return object.Object{ID: object.ID{Owner: object.SessionOwner("s"), Address: object.At(object.GroupTask, "3-hook/000-"+name)}, Spec: h}
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// say writes a word to the session's log.
func (s *session) say(word string) string { return "echo " + word + " >>" + s.base + "/log; " }

// said returns the words of the log since it was last asked.
func (s *session) said() string {
	text, err := os.ReadFile(s.base + "/log")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Fatal(err)
	}
	_ = os.Remove(s.base + "/log") // there may be none
	return strings.Join(strings.Fields(string(text)), " ")
}

// see returns what is seen of the one hook; the zero value if there is none.
func (s *session) see() object.Observed {
	s.Helper()
	seen, err := s.driver.Observe(s.Context(), object.SessionOwner("s"), nil)
	must(s.T, err)
	if len(seen) == 0 {
		return object.Observed{}
	}
	return seen[0]
}

func (s *session) create(o object.Object) error { return s.driver.Create(s.Context(), o, nil) }
func (s *session) destroy(o object.Object) error {
	return s.driver.Destroy(s.Context(), object.Observed{ID: o.ID, Kind: object.KindHook, Spec: o.Spec})
}

// pid reads the number that a hook wrote.
func (s *session) pid(name string) int {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.base, name))
	must(s.T, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(s.T, err)
	return pid
}

// runs reports whether a process is there and has not ended.
func runs(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil
}

func TestWhatAHookFinds(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	leak, err := unix.Open("/etc", unix.O_RDONLY, 0) // as if it came from whoever started this
	must(t, err)
	defer unix.Close(leak)
	both(t, func(s *session) {
		o := s.hook("warm", object.Hook{
			Env:     []string{"COPPICE_UID=u"},
			Command: sh("exec >" + s.base + "/found; env | sort; pwd; umask; cat; ls /proc/self/fd"),
		})
		must(s.T, s.create(o))
		text, err := os.ReadFile(s.base + "/found")
		must(s.T, err)
		const want = "COPPICE_HOOK=warm\nCOPPICE_NAMESPACE=/the/pin\nCOPPICE_PHASE=setup\nCOPPICE_SESSION=s\nCOPPICE_UID=u\n" +
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n/\n0022\n0\n1\n2\n3\n"
		if string(text) != want {
			s.Errorf("it found %q, want %q", text, want)
		}
		if seen := s.see(); seen.Damage != "" || seen.Print != object.PrintOf(o.Spec) {
			s.Errorf("seen %+v", seen)
		}
		if left, _ := filepath.Glob(s.groups.Path("s") + "/hook-*"); s.groups.Groups != "" && len(left) > 0 {
			s.Errorf("left: %v", left)
		}
	})
}

func TestHooksThatFail(t *testing.T) {
	both(t, func(s *session) {
		plain := filepath.Join(s.base, "plain")
		must(s.T, os.WriteFile(plain, []byte("no script"), 0o755))
		script := filepath.Join(s.base, "script")
		must(s.T, os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755))
		loose, theirs := filepath.Join(s.base, "loose"), filepath.Join(s.base, "theirs")
		for _, path := range []string{loose, theirs} {
			must(s.T, os.WriteFile(path, []byte("#!/bin/sh\n"+s.say("run")), 0o755))
		}
		must(s.T, os.Chmod(loose, 0o775))
		must(s.T, os.Chown(theirs, 1000, 0))
		link := filepath.Join(s.base, "link")
		must(s.T, os.Symlink(theirs, link))
		for _, row := range []struct {
			command []string
			words   []string
		}{
			{[]string{loose}, []string{"others than root may write to it", "chmod go-w"}},
			{[]string{theirs}, []string{"others than root may write to it", "chown root"}},
			{[]string{link}, []string{"others than root may write to it"}},
			{sh("echo out; echo no luck >&2; exit 5"), []string{"exit status 5", "no luck"}},
			{[]string{"/no/such"}, []string{"no such program"}},
			{[]string{"/etc/passwd"}, []string{"chmod +x"}},
			{[]string{"/etc"}, []string{"chmod +x"}},
			{[]string{plain}, []string{"#!"}},
			{[]string{script}, []string{"no such program", "#!"}},
			{sh("kill -9 $$"), []string{"signal: killed"}},
		} {
			o := s.hook("h", object.Hook{Command: row.command, Undo: sh(s.say("undone"))})
			err := s.create(o)
			if fault.ReasonOf(err) != fault.HookFailed {
				s.Errorf("%v: error %v, want %s", row.command, err, fault.HookFailed)
			}
			for _, w := range row.words {
				if err == nil || !strings.Contains(err.Error(), w) {
					s.Errorf("%v: error %v, want %q", row.command, err, w)
				}
			}
			if seen := s.see(); seen.Damage != "it failed" {
				s.Errorf("%v: seen %+v", row.command, seen)
			}
			must(s.T, s.destroy(o))
			if said := s.said(); said != "undone" {
				s.Errorf("%v: it said %q", row.command, said)
			}
			if seen := s.see(); seen.Kind != "" {
				s.Errorf("%v: destroyed, and seen %+v", row.command, seen)
			}
		}
	})
}

func TestOutputIsCut(t *testing.T) {
	s := newSession(t, false)
	err := s.create(s.hook("h", object.Hook{Command: sh("yes | head -c 1000000; printf '\\377'; echo the end; exit 1")}))
	f, is := errors.AsType[*fault.Fault](err)
	if !is || len(f.Output) > 4096+8 || !strings.HasSuffix(f.Output, "?the end\n") {
		t.Errorf("error %v with output %q", err, f.Output)
	}
}

// Nothing of a hook that is out of time stays behind, whatever it does about it.
func TestOutOfTime(t *testing.T) {
	for _, row := range []struct {
		name, script string
		escapes      bool // from its process session; only a cgroup holds it
	}{
		{"it waits", "echo $$ >pid; sleep 100", false},
		{"it ignores TERM", "echo $$ >pid; trap '' TERM; while :; do sleep 0.05; done", false},
		{"its child ignores TERM", "(trap '' TERM; while :; do sleep 0.05; done) & echo $! >pid; wait", false},
		{"its child runs away", "setsid sh -c 'echo $$ >pid; sleep 100' & sleep 100", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			both(t, func(s *session) {
				if row.escapes && s.groups.Groups == "" {
					return
				}
				err := s.create(s.hook("h", object.Hook{Command: sh("cd " + s.base + "; " + row.script), Timeout: time.Second}))
				if fault.ReasonOf(err) != fault.HookFailed || !strings.Contains(err.Error(), "still running after 1s") {
					s.Errorf("error %v", err)
				}
				if pid := s.pid("pid"); runs(pid) {
					s.Errorf("pid %d is still there", pid)
					_ = unix.Kill(pid, unix.SIGKILL) // the test's own
				}
			})
		})
	}
}

// After a crash of the controller a hook may still run. It must not run beside
// its successor.
func TestInterrupted(t *testing.T) {
	both(t, func(s *session) {
		o := s.hook("h", object.Hook{Command: sh(s.say("ran")), Undo: sh(s.say("undone"))})
		// This is what a crashed controller leaves.
		cmd := exec.Command("/bin/sh", "-c", "sleep 100 & echo $!; wait")
		cmd.Env = append(os.Environ(), "COPPICE_SESSION=s")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		e := journal.Entry{Object: o, State: journal.Begun, Instance: "one"}
		if group, err := s.groups.JoinHook("s", "000-h"); err != nil {
			s.Fatal(err)
		} else if group != nil {
			defer group.Close()
			cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
		}
		out, err := cmd.StdoutPipe()
		must(s.T, err)
		must(s.T, cmd.Start())
		ended := make(chan error, 1)
		line, err := bufio.NewReader(out).ReadString('\n')
		must(s.T, err)
		go func() { ended <- cmd.Wait() }()
		child, err := strconv.Atoi(strings.TrimSpace(line))
		must(s.T, err)
		if s.groups.Groups == "" {
			e.Process = identity(s.T, cmd.Process.Pid)
		}
		must(s.T, s.driver.Journal.Write(e))

		if seen := s.see(); seen.Damage != "it was interrupted" {
			s.Errorf("seen %+v", seen)
		}
		must(s.T, s.destroy(o))
		if err := <-ended; err == nil {
			s.Error("it ended by itself")
		}
		// A process that was killed goes in its own time.
		for deadline := time.Now().Add(5 * time.Second); runs(child); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				s.Error("its child is still there")
				_ = unix.Kill(child, unix.SIGKILL) // the test's own
				break
			}
		}
		must(s.T, s.create(o))
		if said := s.said(); said != "undone ran" {
			s.Errorf("it said %q", said)
		}
	})
}

func identity(t *testing.T, pid int) *journal.Process {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	start, err := strconv.ParseUint(strings.Fields(string(text))[21], 10, 64)
	must(t, err)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(t, err)
	return &journal.Process{PID: pid, Start: start, Boot: strings.TrimSpace(string(boot))}
}

// A number that went on to somebody else hits nobody.
func TestAnotherProcessWithThatNumber(t *testing.T) {
	s := newSession(t, true)
	cmd := exec.Command("/bin/sleep", "100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	genuine := identity(t, cmd.Process.Pid)
	for name, p := range map[string]journal.Process{
		"begun at another time": {PID: genuine.PID, Start: genuine.Start - 1, Boot: genuine.Boot},
		"in another boot":       {PID: genuine.PID, Start: genuine.Start, Boot: "another"},
	} {
		o := s.hook("h", object.Hook{Command: sh("true")})
		must(t, s.driver.Journal.Write(journal.Entry{Object: o, State: journal.Begun, Process: &p}))
		must(t, s.destroy(o))
		if !runs(cmd.Process.Pid) {
			t.Fatalf("a process %s was killed", name)
		}
	}
}

// What a hook starts for the session's sake is not ended by the next one.
func TestAServiceLivesOn(t *testing.T) {
	both(t, func(s *session) {
		service := s.hook("service", object.Hook{Command: sh("sleep 100 >/dev/null 2>&1 & echo $! >" + s.base + "/pid"), Undo: sh("kill $(cat " + s.base + "/pid)")})
		must(s.T, s.create(service))
		pid := s.pid("pid")
		defer func() { _ = unix.Kill(pid, unix.SIGKILL) }() // the test's own
		if e, found, err := s.driver.Journal.Find(service); err != nil || !found || e.Process != nil {
			s.Errorf("the journal says %+v, %t, %v: whoever undoes it would end what it started", e, found, err)
		}
		other := s.hook("other", object.Hook{Command: sh("exit 1")})
		if err := s.create(other); err == nil {
			s.Error("no error")
		}
		must(s.T, s.destroy(other))
		if !runs(pid) {
			s.Fatal("it ended with another hook")
		}
		must(s.T, s.destroy(service))
		if len(s.givenUp) > 0 {
			s.Errorf("its undoing found nothing to end: %v", s.givenUp)
		}
	})
}

func TestPhases(t *testing.T) {
	s := newSession(t, false)
	recovers := s.hook("again", object.Hook{Phase: "recover", Command: sh(s.say("recovered") + "test -e " + s.base + "/ok")})
	must(t, s.create(recovers))
	if said := s.said(); said != "" {
		t.Errorf("the session is new, and it said %q", said)
	}
	if seen := s.see(); seen.Damage != "" || seen.Print != object.PrintOf(recovers.Spec) {
		t.Errorf("noted, and seen %+v", seen)
	}
	s.instance = "two"
	// It fails, and is run again, not only noted.
	for range 2 {
		seen := s.see()
		if want := object.PrintOf(recovers.Spec); seen.Damage != "" || seen.Print.Identity != want.Identity || seen.Print == want {
			t.Errorf("the root was made again, and seen %+v, want it to be amended", seen)
		}
		if err := s.driver.Amend(t.Context(), recovers); err == nil {
			t.Error("no error")
		}
		if said := s.said(); said != "recovered" {
			t.Errorf("it said %q", said)
		}
	}
	must(t, os.WriteFile(s.base+"/ok", nil, 0o600))
	must(t, s.driver.Amend(t.Context(), recovers))
	if seen := s.see(); seen.Print != object.PrintOf(recovers.Spec) || s.said() != "recovered" {
		t.Errorf("run, and seen %+v", seen)
	}
	must(t, s.driver.Amend(t.Context(), recovers))
	must(t, s.destroy(recovers))
	if said := s.said(); said != "" {
		t.Errorf("at the end it said %q", said)
	}

	stops := s.hook("last", object.Hook{Phase: "stop", Command: sh(s.say("stopped-$COPPICE_PHASE"))})
	must(t, s.create(stops))
	s.instance = "three"
	if seen := s.see(); seen.Damage != "" || seen.Print != object.PrintOf(stops.Spec) || s.said() != "" {
		t.Errorf("armed, and seen %+v", seen)
	}
	for range 2 { // of the absent: nothing
		must(t, s.destroy(stops))
	}
	if said := s.said(); said != "stopped-stop" {
		t.Errorf("at the end it said %q", said)
	}

	// A setup hook is not run again over a new root.
	sets := s.hook("warm", object.Hook{Command: sh(s.say("ran")), Undo: sh(s.say("undone"))})
	must(t, s.create(sets))
	s.instance = "four"
	if seen := s.see(); seen.Damage != "" || seen.Print != object.PrintOf(sets.Spec) {
		t.Errorf("the root was made again, and seen %+v", seen)
	}
	// How it is undone may change meanwhile.
	other := s.hook("warm", object.Hook{Command: sh(s.say("ran")), Undo: sh(s.say("undone-otherwise"))})
	must(t, s.driver.Amend(t.Context(), other))
	s.instance = "" // the root is gone; it is undone for all that
	must(t, s.destroy(sets))
	if said := s.said(); said != "ran undone-otherwise" {
		t.Errorf("it said %q", said)
	}
}

func TestUndoingComesToAnEnd(t *testing.T) {
	both(t, func(s *session) {
		o := s.hook("h", object.Hook{Command: sh("true"), Undo: sh(s.say("tried") + "echo cannot; exit 1")})
		must(s.T, s.create(o))
		for range 2 {
			if err := s.destroy(o); fault.ReasonOf(err) != fault.HookFailed || s.see().Kind == "" {
				s.Errorf("error %v, seen %+v", err, s.see())
			}
		}
		must(s.T, s.destroy(o))
		if len(s.givenUp) != 1 || !strings.Contains(s.givenUp[0].Error(), "cannot") || s.see().Kind != "" {
			s.Errorf("given up: %v, seen %+v", s.givenUp, s.see())
		}
		if said := s.said(); said != strings.Repeat("tried ", 2)+"tried" {
			s.Errorf("it said %q", said)
		}
	})
}

func TestInside(t *testing.T) {
	both(t, func(s *session) {
		o := s.hook("h", object.Hook{Inside: true, Command: sh("cat " + s.base + "/only-inside >" + s.base + "/found"), Undo: sh("rm " + s.base + "/found")})
		if err := s.create(o); !strings.Contains(fmt.Sprint(err), "no root to run it in") {
			s.Errorf("without a namespace: %v", err)
		}
		room := exec.Command("/bin/sh", "-c", "mount --make-rprivate / && mount -t tmpfs hook-test "+s.base+" && echo inside >"+s.base+"/only-inside && echo ready && read x")
		room.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		in, err := room.StdinPipe()
		must(s.T, err)
		out, err := room.StdoutPipe()
		must(s.T, err)
		must(s.T, room.Start())
		defer func() { in.Close(); _ = room.Wait() }()
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			s.Fatalf("the namespace said %q: %v", line, err)
		}
		s.inside = room.Process.Pid
		must(s.T, s.create(o))
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/found", s.inside, s.base)); err != nil || string(text) != "inside\n" {
			s.Errorf("inside it found %q, %v", text, err)
		}
		must(s.T, s.destroy(o))
		if len(s.givenUp) > 0 {
			s.Errorf("its undoing failed: %v", s.givenUp)
		}
	})
}

func TestNothingToStandOn(t *testing.T) {
	s := newSession(t, false)
	s.instance = ""
	for _, phase := range []string{"setup", "recover", "stop"} {
		if err := s.create(s.hook("h", object.Hook{Phase: phase, Command: sh(s.say("ran"))})); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s without a root: %v", phase, err)
		}
	}
	if said := s.said(); said != "" || s.see().Kind != "" {
		t.Errorf("it said %q, seen %+v", said, s.see())
	}
}

// An entry that a power cut emptied says that the hook was noted. A setup hook
// may have left half of its work; a recover hook has to be run; a stop hook must
// be armed again, and not run for it.
func TestLostEntries(t *testing.T) {
	for phase, want := range map[string]string{"setup": "undo run", "recover": "run", "stop": ""} {
		t.Run(phase, func(t *testing.T) {
			s := newSession(t, false)
			h := object.Hook{Phase: phase, Command: sh(s.say("run"))}
			if phase == "setup" {
				h.Undo = sh(s.say("undo"))
			}
			o := s.hook("warm", h)
			must(t, s.create(o))
			s.said()
			entries, err := filepath.Glob(s.base + "/state/sessions/s/journal/*")
			must(t, err)
			must(t, os.Truncate(entries[0], 0))
			seen, err := s.driver.Observe(t.Context(), o.Owner, []object.Object{o})
			must(t, err)
			if len(seen) != 1 || seen[0].Damage == "" && seen[0].Note == "" {
				t.Fatalf("seen %+v", seen)
			}
			if seen[0].Damage != "" {
				must(t, s.driver.Destroy(t.Context(), seen[0]))
				must(t, s.create(o))
			} else {
				must(t, s.driver.Amend(t.Context(), o))
			}
			if said := s.said(); said != want {
				t.Errorf("it said %q, want %q", said, want)
			}
			if now := s.see(); now.Damage != "" || now.Print != object.PrintOf(o.Spec) {
				t.Errorf("then %+v", now)
			}
			must(t, s.destroy(o))
		})
	}
}
