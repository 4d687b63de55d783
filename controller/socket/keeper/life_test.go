package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire"
)

// pipes are the standard files of a command that talks to the test.
func pipes(t testing.TB) (files map[int]*os.File, in, out *os.File) {
	t.Helper()
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, file := range []*os.File{stdin, in, out, stdout} {
			file.Close()
		}
	})
	return map[int]*os.File{0: stdin, 1: stdout, 2: stdout}, in, out
}

// talk starts a command whose output the test reads, and waits for a first line.
func talk(t testing.TB, namespace *os.File, o Order) (c *client, in, out *os.File) {
	t.Helper()
	c = start(t, namespace, o)
	files, in, out := pipes(t)
	f, _ := c.begin(t, files)
	if f.Started == nil {
		t.Fatalf("%q: %+v", o.Args, f.Failed)
	}
	files[0].Close()
	files[1].Close()
	if line := line(t, out); line != "ready" {
		t.Fatalf("%q says %q", o.Args, line)
	}
	return c, in, out
}

// line reads one line.
func line(t testing.TB, from *os.File) string {
	t.Helper()
	if err := from.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		t.Fatal(err)
	}
	var text []byte
	for {
		b := make([]byte, 1)
		if _, err := from.Read(b); err != nil {
			t.Fatalf("read a line: %v, after %q", err, text)
		}
		if b[0] == '\n' {
			return strings.TrimRight(string(text), "\r")
		}
		text = append(text, b[0])
	}
}

func TestSignals(t *testing.T) {
	s := session(t)
	c, _, out := talk(t, s, person("trap '' USR1; sleep 1000 & trap 'echo got' USR1; echo ready; while :; do wait; done"))
	if err := c.Send(wire.Frame{Signal: &wire.Signal{Number: int(unix.SIGUSR1)}}); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "got" {
		t.Errorf("after USR1: %q", got)
	}
	for _, wrong := range []int{0, -1, 65, 1 << 40} { // none is anything
		if err := c.Send(wire.Frame{Signal: &wire.Signal{Number: wrong}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Send(wire.Frame{Signal: &wire.Signal{Number: int(unix.SIGTERM)}}); err != nil {
		t.Fatal(err)
	}
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Signal != int(unix.SIGTERM) || f.Exited.Code != 143 {
		t.Errorf("after TERM: %+v", f.Exited)
	}
}

func TestSignalsReachTheGroup(t *testing.T) {
	s := session(t)
	c, _, out := talk(t, s, person("sleep 1000 & echo ready; echo $!; wait; exit 9"))
	child := number(t, line(t, out))
	if err := c.Send(wire.Frame{Signal: &wire.Signal{Number: int(unix.SIGTERM)}}); err != nil {
		t.Fatal(err)
	}
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Signal != int(unix.SIGTERM) {
		t.Errorf("after TERM: %+v", f.Exited)
	}
	eventually(t, "the child hears it, too", func() bool { return !alive(child) })
}

func TestEndOfInput(t *testing.T) {
	s := session(t)
	c, in, out := talk(t, s, person("echo ready; cat"))
	if _, err := in.WriteString("some words\n"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if text, err := io.ReadAll(out); err != nil || string(text) != "some words\n" {
		t.Errorf("cat says %q, %v", text, err)
	}
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 0 {
		t.Errorf("cat ended with %+v", f)
	}
}

// alive reports whether a process runs.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestClientGoes(t *testing.T) {
	s := session(t)
	lease := group(t)
	for name, c := range map[string]struct {
		script, group string
	}{
		"it hears HUP":        {"echo ready; echo $$; sleep 1000", lease},
		"it does not hear":    {"trap '' HUP TERM INT; echo ready; echo $$; while :; do sleep 1; done", lease},
		"it is stopped":       {"echo ready; echo $$; kill -STOP $$; sleep 1000", lease},
		"without a cgroup":    {"trap '' HUP; echo ready; echo $$; while :; do sleep 1; done", ""},
		"a child of its own":  {"trap '' HUP; setsid sleep 1000 & echo ready; echo $!; exec sleep 1001", lease},
		"a child after it":    {"setsid sh -c 'trap \"\" HUP; sleep 1000' & echo ready; echo $!; exec sleep 1001", lease},
		"without, in a group": {"trap '' HUP; sh -c 'sleep 1000' & echo ready; echo $!; exec sleep 1001", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := person(c.script)
			o.Grace, o.Group = 200*time.Millisecond, c.group
			if c.group != "" {
				if err := os.MkdirAll(c.group, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cl, _, out := talk(t, s, o)
			pid := number(t, line(t, out))
			cl.Close()
			eventually(t, "the command goes with its client", func() bool { return !alive(pid) })
			if c.group != "" {
				eventually(t, "its cgroup goes", func() bool { _, err := os.Stat(c.group); return os.IsNotExist(err) })
			}
		})
	}
}

// What a command leaves behind stays, and is in the lease's cgroup; the keeper
// does not wait for it.
func TestLeftovers(t *testing.T) {
	s := session(t)
	lease := group(t)
	if lease == "" {
		t.Fatal("cgroup v2 is needed")
	}
	record := filepath.Join(t.TempDir(), "record.json")
	if err := os.WriteFile(record, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := person("sleep 1000 >/dev/null 2>&1 & echo ready; echo $!")
	o.Group, o.Record = lease, record
	c, _, out := talk(t, s, o)
	pid := number(t, line(t, out))
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 0 {
		t.Errorf("%+v", f)
	}
	eventually(t, "the keeper closes", func() bool { _, _, err := c.Receive(); return err != nil })
	if !alive(pid) || !populated(lease) {
		t.Error("what was left behind is gone")
	}
	if _, err := os.Stat(record); err != nil {
		t.Error("the record is gone:", err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

// A session that is being ended takes its cgroup along.
func TestNoGroup(t *testing.T) {
	s := session(t)
	lease := group(t)
	if lease == "" {
		t.Fatal("cgroup v2 is needed")
	}
	if err := unix.Rmdir(lease); err != nil {
		t.Fatal(err)
	}
	o := person("exit 0")
	o.Group = lease
	if _, f := output(t, s, o); f.Failed == nil || f.Failed.Reason != "NotReady" {
		t.Errorf("%+v", f)
	}
}

func TestLeaseGoes(t *testing.T) {
	s := session(t)
	lease := group(t)
	record := filepath.Join(t.TempDir(), "record.json")
	if err := os.WriteFile(record, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := person("cat /proc/self/cgroup")
	o.Group, o.Record = lease, record
	if text := said(t, s, o); lease != "" && !strings.Contains(text, "/s/lease-1") {
		t.Errorf("the command's cgroups are %q", text)
	}
	eventually(t, "the record goes", func() bool { _, err := os.Stat(record); return os.IsNotExist(err) })
	if _, err := os.Stat(lease); lease != "" && !os.IsNotExist(err) {
		t.Error("the cgroup is still there:", err)
	}
}

// Whoever started the keeper may die: the command goes on, and the client hears
// how it ended.
func TestDaemonDies(t *testing.T) {
	const role = "KEEPER_TEST_DAEMON"
	if os.Getenv(role) != "" {
		conn, namespace := os.NewFile(3, "conn"), os.NewFile(4, "namespace")
		o := person("echo ready; read x; exit 5")
		o.Env, o.Session = []string{"PATH=/usr/bin:/bin"}, "s"
		if _, err := Start(conn, namespace, o); err != nil {
			t.Fatal(err)
		}
		select {} // until it is killed
	}
	s := session(t)
	ours, theirs := pair(t)
	defer ours.Close()
	daemon := exec.Command("/proc/self/exe", "-test.run=^TestDaemonDies$")
	daemon.Env = append(os.Environ(), role+"=1")
	daemon.ExtraFiles = []*os.File{theirs, s}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	c := &client{Conn: ours}
	files, in, out := pipes(t)
	if f, _ := c.begin(t, files); f.Started == nil {
		t.Fatalf("%+v", f.Failed)
	}
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait() // killed
	if got := line(t, out); got != "ready" {
		t.Errorf("%q", got)
	}
	if _, err := in.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Code != 5 {
		t.Errorf("%+v", f)
	}
}

func TestIsolation(t *testing.T) {
	s := session(t)
	o := person("cat /proc/net/dev | grep -c :; cat /sys/class/net/lo/flags 2>/dev/null; ls -l /proc/self/ns/net | sed 's/.*-> //'")
	plain := said(t, s, o)
	o.Network = true
	if isolated := said(t, s, o); !strings.HasPrefix(isolated, "1\n") || isolated == plain {
		t.Errorf("in a network of its own there is %q, and outside %q", isolated, plain)
	}
	up := Order{Args: []string{"/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"}, Network: true}
	if text, _ := output(t, s, up); !strings.Contains(text, "refused") { // and not: unreachable
		t.Errorf("the loopback interface is not up: %q", text)
	}
	o = person("readlink /proc/self/ns/ipc")
	plain = said(t, s, o)
	o.IPC = true
	if isolated := said(t, s, o); isolated == plain {
		t.Errorf("no IPC namespace of its own: %q", isolated)
	}
}

func TestOwnProcesses(t *testing.T) {
	s := session(t)
	lease := group(t)
	o := person("(sleep 0.01 & ) ; sleep 1000 >/dev/null 2>&1 & echo $$; for p in /proc/[0-9]*; do cat $p/comm; done 2>/dev/null; ls /proc/1/root 2>&1 | head -1; exit 3")
	o.PID, o.Group = true, lease
	text, f := output(t, s, o)
	if f.Exited == nil || f.Exited.Code != 3 {
		t.Fatalf("%+v: %q", f, text)
	}
	if !strings.HasPrefix(text, "2\ncoppiced: init\nsh\n") || strings.Contains(text, "keeper") {
		t.Errorf("inside there are %q", text)
	}
	if lease != "" {
		eventually(t, "what was left ends with the namespace", func() bool { _, err := os.Stat(lease); return os.IsNotExist(err) })
	}
	o = person("echo ready; read x; kill -TERM $$")
	o.PID = true
	c, in, _ := talk(t, s, o)
	in.Close()
	if f, _ := c.next(t); f.Exited == nil || f.Exited.Signal != 15 {
		t.Errorf("%+v", f)
	}
	o = person("ls /proc")
	o.PID = true
	if _, f := output(t, session(t, "/proc"), o); f.Failed == nil || f.Failed.Reason != "Invalid" {
		t.Errorf("without /proc: %+v", f)
	}
}

// With processes of its own a command goes with its keeper.
func TestOwnProcessesGoWithTheKeeper(t *testing.T) {
	s := session(t)
	o := person("echo ready; sleep 1000")
	o.PID = true
	c := start(t, s, o)
	files, _, _ := pipes(t)
	f, _ := c.begin(t, files)
	if f.Started == nil {
		t.Fatalf("%+v", f.Failed)
	}
	if err := c.keeper.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command goes", func() bool { return !alive(f.Started.PID) })
}

func TestManyAtOnce(t *testing.T) {
	s := session(t)
	var wg sync.WaitGroup
	most := make(chan struct{}, 50) // clients at the same time; each has a keeper
	for i := range 200 {
		most <- struct{}{}
		wg.Go(func() {
			defer func() { <-most }()
			o := person("exit $N")
			o.Env = []string{"PATH=/usr/bin:/bin", fmt.Sprintf("N=%d", i)}
			ours, theirs := pair(t)
			defer ours.Close()
			process, err := Start(theirs, s, o)
			theirs.Close()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _, _ = process.Wait() }()
			if err := ours.Send(wire.Frame{Files: []int{}}); err != nil {
				t.Error(err)
				return
			}
			if f, _, err := ours.Receive(); err != nil || f.Started == nil {
				t.Errorf("%d: %+v, %v", i, f, err)
			}
			if f, _, err := ours.Receive(); err != nil || f.Exited == nil || f.Exited.Code != i {
				t.Errorf("%d: %+v, %v", i, f.Exited, err)
			}
		})
	}
	wg.Wait()
}

// Nobody waits without end for a client that says nothing, and one that
// goes at once leaves nothing.
func TestClientThatGoesAtOnce(t *testing.T) {
	s := session(t)
	c := start(t, s, person("sleep 1000"))
	c.Close() // the end of the test waits for the keeper
	c = start(t, s, person("sleep 1000"))
	if err := c.Send(wire.Frame{Files: []int{}}); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"args":["true"],"env":["A=b"],"uid":1,"gid":2}`))
	f.Add([]byte(`{"args":["sh","-c","exit"],"terminal":true,"size":{"rows":1,"columns":2},"resources":{"nofile":{"soft":1,"hard":2}},"grace":5}`))
	f.Add([]byte(`{"args":[""],"uid":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parse(text)
		if err != nil {
			return
		}
		if len(o.Args) == 0 || o.Args[0] == "" || o.UID < 0 || o.GID < 0 || o.Grace <= 0 {
			t.Errorf("taken: %+v", o)
		}
		_ = variable(o.Env, "PATH")
		_, _ = personality(o.Personality)
		_ = known(o.Resources)
	})
}

func FuzzHostLimits(f *testing.F) {
	f.Add("Limit Soft Limit Hard Limit Units\nMax open files 1024 524288 files\nMax cpu time unlimited 7 seconds\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, r := range hostLimits(text) {
			if name == "nofile" && r.Soft > mostFilesSoft {
				t.Errorf("%+v", r)
			}
		}
	})
}

// BenchmarkTrue runs true from the request to its end.
func BenchmarkTrue(b *testing.B) { runTrue(b, Start) }

// BenchmarkTrueByReserve is the same, by a keeper that waits, if it is there by then.
func BenchmarkTrueByReserve(b *testing.B) { runTrue(b, reserve(b).Start) }

func runTrue(b *testing.B, by func(conn, namespace *os.File, o Order) (*os.Process, error)) {
	s := session(b)
	lease := group(b)
	run := func() {
		if lease != "" {
			_ = os.Mkdir(lease, 0o755)
		}
		ours, theirs := pair(b)
		o := Order{Session: "s", Args: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin"}, UID: uid, GID: gid, Group: lease}
		process, err := by(theirs, s, o)
		theirs.Close()
		if err != nil {
			b.Fatal(err)
		}
		_ = ours.Send(wire.Frame{Files: []int{}})
		for range 2 {
			if f, _, err := ours.Receive(); err != nil || f.Failed != nil {
				b.Fatal(f.Failed, err)
			}
		}
		ours.Close()
		_, _ = process.Wait()
	}
	for b.Loop() {
		run()
	}
}

// BenchmarkTrueByNsenter is what BenchmarkTrue is compared with.
func BenchmarkTrueByNsenter(b *testing.B) {
	s := session(b)
	for b.Loop() {
		cmd := exec.Command("nsenter", "--mount=/proc/self/fd/3", "-S", strconv.Itoa(uid), "-G", strconv.Itoa(gid), "true")
		cmd.ExtraFiles = []*os.File{s}
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatal(err, string(out))
		}
	}
}

const gibibyte = 1 << 30

// BenchmarkPipe writes a gibibyte into a command's standard input.
func BenchmarkPipe(b *testing.B) {
	s := session(b)
	b.SetBytes(gibibyte)
	for b.Loop() {
		c := start(b, s, Order{Args: []string{"wc", "-c"}})
		files, in, out := pipes(b)
		if f, _ := c.begin(b, files); f.Started == nil {
			b.Fatal(f.Failed)
		}
		files[0].Close()
		files[1].Close()
		pour(b, in, out)
		c.next(b)
	}
}

// BenchmarkPipeByNsenter is what BenchmarkPipe is compared with.
func BenchmarkPipeByNsenter(b *testing.B) {
	s := session(b)
	b.SetBytes(gibibyte)
	for b.Loop() {
		files, in, out := pipes(b)
		cmd := exec.Command("nsenter", "--mount=/proc/self/fd/3", "wc", "-c")
		cmd.ExtraFiles = []*os.File{s}
		cmd.Stdin, cmd.Stdout = files[0], files[1]
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		files[0].Close()
		files[1].Close()
		pour(b, in, out)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

func pour(b *testing.B, in, out *os.File) {
	b.Helper()
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range gibibyte / len(block) {
		if _, err := in.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	in.Close()
	text, err := io.ReadAll(out)
	if err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(gibibyte) {
		b.Fatalf("wc says %q, %v", text, err)
	}
}

// A group of version 1 has the command in it from its first instruction.
func TestTasks(t *testing.T) {
	const tree = "/sys/fs/cgroup/pids"
	if _, err := os.Stat(tree + "/tasks"); err != nil {
		t.Skip("this machine has no pids controller of cgroup v1: ", err)
	}
	s := session(t)
	group := filepath.Join(tree, fmt.Sprintf("coppice-test-keeper-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, "the group goes", func() bool { return unix.Rmdir(group) == nil })
	})
	if err := os.WriteFile(filepath.Join(group, "pids.max"), []byte("4"), 0); err != nil {
		t.Fatal(err)
	}
	o := person("grep pids /proc/self/cgroup; sleep 0.2 & sleep 0.2 & sleep 0.2 & sleep 0.2 & wait")
	o.Tasks = []string{filepath.Join(group, "tasks")}
	text, f := output(t, s, o)
	if f.Failed != nil || !strings.Contains(text, ":/"+filepath.Base(group)+"\n") || !strings.Contains(text, "fork") {
		t.Errorf("%+v, saying %q", f, text)
	}
}
