package meter

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"coppice.dev/reconcile/layout"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRead reads figures as the kernel writes them, in either version.
func TestRead(t *testing.T) {
	for _, row := range []struct {
		what  string
		files map[string]string
		known []int
		want  Use
		some  bool // of memory and time, which are this process's
	}{
		{"nobody is inside", map[string]string{"new/s/cgroup.procs": ""}, nil, Use{}, false},
		{"there is no group yet", nil, nil, Use{}, false},
		{"version 2", map[string]string{
			"new/s/cgroup.procs": "", "new/s/cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
			"new/s/memory.current": "5000\n", "new/s/memory.stat": "anon 1\nfile 7\ninactive_file 1000\nactive_file 9\n",
		}, nil, Use{CPU: 1500 * time.Millisecond, Memory: 4000, Counted: true}, false},
		{"version 1 beside it", map[string]string{
			"new/s/cgroup.procs": "", "new/s/cpu.stat": "usage_usec 20\n",
			"old/s/memory.usage_in_bytes": "900\n", "old/s/memory.stat": "inactive_file 1\ntotal_inactive_file 1000\n",
		}, nil, Use{CPU: 20 * time.Microsecond, Counted: true}, false},
		{"no controller", map[string]string{"new/s/cgroup.procs": "", "new/s/lease-1/cgroup.procs": strconv.Itoa(os.Getpid()) + "\n"}, nil, Use{Processes: 1}, true},
		{"its processes are gone", map[string]string{"new/s/cgroup.procs": "4194305\n"}, nil, Use{}, false},
		{"what is known does not matter where there is a group", map[string]string{"new/s/cgroup.procs": ""}, []int{os.Getpid()}, Use{}, false},
	} {
		dir := t.TempDir()
		for path, text := range row.files {
			write(t, filepath.Join(dir, path), text)
		}
		m := &Meter{group: dir + "/new", old: dir + "/old"}
		got, err := m.Read("s", row.known)
		if row.some {
			if got.Memory == 0 {
				t.Errorf("%s: %+v", row.what, got)
			}
			got.Memory, got.CPU = 0, 0
		}
		if err != nil || got != row.want {
			t.Errorf("%s: %+v, %v; want %+v", row.what, got, err, row.want)
		}
	}
	m := &Meter{}
	if got, err := m.Read("s", []int{os.Getpid(), 4194305}); err != nil || got.Processes != 1 || got.Memory == 0 || got.Counted {
		t.Errorf("without cgroups: %+v, %v", got, err)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " 1 42 42 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 1 0 5000 10000 3 18446744073709551615 1 1 0"
	page := int64(os.Getpagesize())
	for _, row := range []struct {
		text  string
		want  process
		ended bool
	}{
		{"42 (sh) S" + rest, process{3 * page, 4 * time.Second}, false},
		{"42 (a) S) (b) R" + rest, process{3 * page, 4 * time.Second}, false},
		{"42 (sh) Z" + rest, process{}, true},
		{"42 (sh) S 1", process{}, true},
	} {
		got, err := parseStat(row.text)
		if got != row.want || (err != nil) != row.ended {
			t.Errorf("%q: %+v, %v", row.text, got, err)
		}
	}
}

// TestProcessIsCounted compares with what the process itself did.
func TestProcessIsCounted(t *testing.T) {
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p, err := processOf(cmd.Process.Pid)
	if err != nil || p.cpu < tick || p.memory < int64(os.Getpagesize()) {
		t.Errorf("%+v, %v", p, err)
	}
	in.Close()
	_ = cmd.Wait()
	if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); p.cpu > used+2*tick {
		t.Errorf("it used %s, and %s was told", used, p.cpu)
	}
	if _, err := processOf(cmd.Process.Pid); !gone(err) {
		t.Errorf("one that has ended: %v", err)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/upper/a/file", strings.Repeat("x", 100000))
	before, known := Disk(t.Context(), dir+"/upper")
	if !known || before < 100000 {
		t.Errorf("%d, %t", before, known)
	}
	if err := os.Link(dir+"/upper/a/file", dir+"/upper/again"); err != nil {
		t.Fatal(err)
	}
	if after, _ := Disk(t.Context(), dir+"/upper"); after > before+8192 {
		t.Errorf("a second name for a file: %d after %d", after, before)
	}
	if size, known := Disk(t.Context(), dir+"/nothing"); size != 0 || !known {
		t.Errorf("what is not there: %d, %t", size, known)
	}
	if _, known := Disk(t.Context(), dir+"/upper/a/file/x"); known {
		t.Error("what cannot be looked at is known")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, known := Disk(ctx, dir+"/upper"); known {
		t.Error("half of it is known")
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(layout.Layout{Run: dir}); err == nil {
		t.Error("there is no controller, and no error")
	}
	write(t, dir+"/id", "0123abcd\n")
	if m, err := Open(layout.Layout{Run: dir}); err != nil || m.group != "" || m.old != "" {
		t.Errorf("a controller without groups: %+v, %v", m, err)
	}
}
