package lvm

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
)

// script is a tool that runs a shell script in the place of lvm, to do what a
// sound machine does not: hang, or fail in a certain way.
func script(t *testing.T, text string) *Tool {
	t.Helper()
	path := t.TempDir() + "/lvm"
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Tool{Program: path, Patience: time.Minute}
}

func TestWords(t *testing.T) {
	for said, want := range map[string]fault.Reason{
		`Volume group "novg" not found`:                                                      fault.SourceMissing,
		"Snapshot origin LV nobase not found in Volume group vg0.":                           fault.SourceMissing,
		`Volume group "vg0" has insufficient free space (3 extents): 5 required.`:            fault.NoSpace,
		"Free space in pool vg0/pool is above threshold, new volumes are not allowed.":       fault.SourceUnusable,
		`Cannot create new thin volume, free space in thin pool vg0/pool reached threshold.`: fault.NoSpace,
		`Logical Volume "x" already exists in volume group "vg0"`:                            fault.TargetUnusable,
		"Logical volume vg0/x contains a filesystem in use.":                                 fault.Busy,
		"Logical volume vg0/x is used by another device.":                                    fault.Busy,
		"/dev/mapper/control: open failed: No such device":                                   fault.KernelTooOld,
		"snapshot: Required device-mapper target(s) not detected in your kernel.":            fault.KernelTooOld,
		"lvcreate: unrecognized option '--nonsense'":                                         fault.SourceUnusable,
		"Command does not accept option: --stripes 2":                                        fault.SourceUnusable,
		"Chunk size must be a power of 2 in the range 4K to 512K":                            fault.SourceUnusable,
		"Thin pool vg0/pool_tdata (253:1) is out of data space":                              fault.NoSpace,
		"something new": fault.SourceUnusable,
	} {
		tool := script(t, "echo \"  WARNING: other things\" >&2; echo '  "+strings.ReplaceAll(said, "'", "'\\''")+"' >&2; exit 5")
		_, err := tool.run(t.Context(), "vg0", "lvcreate")
		failed, is := errors.AsType[*Failed](err)
		if !is || failed.Code != 5 || failed.Said != strings.TrimSuffix(said, ".") {
			t.Errorf("%s: %v", said, err)
		}
		if got := fault.ReasonOf(explain("do it", err)); got != want {
			t.Errorf("%s: %s, want %s", said, got, want)
		}
	}
}

// TestHang has lvm hang: who asked is told in time, nobody else waits in that group
// for long, other groups go on, and it is not killed.
func TestHang(t *testing.T) {
	gate := t.TempDir() + "/gate"
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	tool := script(t, `case $2 in hang) read x < `+gate+`; echo done;; *) echo quick;; esac`)
	tool.Patience = 50 * time.Millisecond
	_, err := tool.run(t.Context(), "vg0", "lvcreate", "hang")
	if fault.ReasonOf(err) != fault.TimedOut || !strings.Contains(err.Error(), "lvm lvcreate") || !strings.Contains(err.Error(), "pid ") {
		t.Errorf("a command that hangs: %v", err)
	}
	if _, err := tool.run(t.Context(), "vg0", "lvremove", "quick"); fault.ReasonOf(err) != fault.TimedOut || !strings.Contains(err.Error(), "lvm lvcreate") {
		t.Errorf("the next in its group: %v", err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	tool.Patience = time.Minute
	if _, err := tool.run(ended, "vg0", "lvremove", "quick"); err == nil || err.Error() != "enough" {
		t.Errorf("nobody wants it any more: %v", err)
	}
	if out, err := tool.run(t.Context(), "vg1", "lvs", "quick"); err != nil || string(out) != "quick\n" {
		t.Errorf("another group: %q, %v", out, err)
	}
	open, err := os.OpenFile(gate, os.O_RDWR, 0) // for reading, too, so that it does not wait
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := open.WriteString("go on\n"); err != nil {
		t.Fatal(err)
	}
	if out, err := tool.run(t.Context(), "vg0", "lvremove", "quick"); err != nil || string(out) != "quick\n" {
		t.Errorf("when it has ended: %q, %v", out, err)
	}
}

// TestQueue has one command after the other at work in a group, each for a short
// time: who waits behind all of them for longer than one may take gets his turn.
func TestQueue(t *testing.T) {
	tool := script(t, "echo done")
	tool.Patience = 5 * time.Second
	began := time.Now()
	turn := &command{words: []string{"lvcreate"}, ended: make(chan struct{})}
	if tool.take("vg0", turn) != nil {
		t.Fatal("somebody else is at work")
	}
	go func() {
		for time.Since(began) < tool.Patience+time.Second {
			time.Sleep(50 * time.Millisecond) // its work
			next := &command{words: turn.words, since: time.Now(), ended: make(chan struct{})}
			tool.mu.Lock()
			tool.busy["vg0"] = next
			tool.mu.Unlock()
			close(turn.ended)
			turn = next
		}
		tool.free("vg0", turn)
	}()
	out, err := tool.run(t.Context(), "vg0", "lvcreate")
	if err != nil || string(out) != "done\n" {
		t.Errorf("the last of a queue: %q, %v", out, err)
	}
	if took := time.Since(began); took < tool.Patience {
		t.Errorf("it waited %v, too short to say anything", took)
	}
}

func TestNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	places := Places
	Places = nil
	defer func() { Places = places }()
	tool := new(Tool)
	if _, err := tool.run(t.Context(), "vg0", "lvs"); fault.ReasonOf(err) != fault.ToolMissing || !strings.Contains(err.Error(), "package lvm2") || tool.Installed() {
		t.Errorf("no lvm: %v", err)
	}
}

// TestReports has many ask at once, and one ask after a change.
func TestReports(t *testing.T) {
	counter := t.TempDir() + "/asked"
	reports := &Reports{Tool: script(t, `echo >> `+counter+`; sleep 0.2; echo '{"report":[{"lv":[]}]}'`)}
	asked := func() int {
		text, err := os.ReadFile(counter)
		if err != nil {
			t.Fatal(err)
		}
		return len(text)
	}
	look := func() {
		if _, err := reports.Look(t.Context(), OfAPass); err != nil {
			t.Error(err)
		}
	}
	done := make(chan struct{})
	for range 20 {
		go func() { look(); done <- struct{}{} }()
	}
	for range 20 {
		<-done
	}
	if n := asked(); n != 1 {
		t.Errorf("lvs was run %d times for 20 who asked at once", n)
	}
	reports.Changed()
	look()
	if n := asked(); n != 2 {
		t.Errorf("lvs was run %d times, with a change between", n)
	}
	reports.Tool = script(t, "echo '{\"report\":[]}'")
	reports.Changed()
	if _, err := reports.Look(t.Context(), OfAPass); err == nil {
		t.Error("a report of nothing was believed")
	}
}

// TestReportsOfGroups: a look at the whole machine hangs, as it does with one volume
// group. Who is content with others gets those, and only what he asked for.
func TestReportsOfGroups(t *testing.T) {
	gate := t.TempDir() + "/gate"
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	const volume = `{"vg_name":"$9","lv_name":"a","lv_uuid":"","lv_tags":"","origin":"","pool_lv":"","lv_size":"1","data_percent":"","metadata_percent":"","lv_active":"","lv_snapshot_invalid":"","lv_attr":""}`
	reports := &Reports{Tool: script(t, `case "$9" in "") read x < `+gate+`;; gone) echo 'Volume group "gone" not found' >&2; exit 5;; esac
cat <<END
{"report":[{"lv":[`+volume+`]}]}
END`)}
	reports.Tool.Patience = 2 * time.Second
	if _, err := reports.Look(t.Context(), OfNow); fault.ReasonOf(err) != fault.TimedOut {
		t.Errorf("all of a machine that hangs: %v", err)
	}
	got, err := reports.Look(t.Context(), OfNow, "vg1", "vg2")
	if err != nil || len(got) != 2 || !got.HasGroup("vg1") || !got.HasGroup("vg2") {
		t.Errorf("two groups: %v, %v", got, err)
	}
	if got, err := reports.Look(t.Context(), OfNow, "vg1", "gone"); fault.ReasonOf(err) != fault.SourceMissing || got != nil {
		t.Errorf("one group that is there, and one that is not: %v, %v", got, err)
	}
	open, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := open.WriteString("go on\ngo on\n"); err != nil {
		t.Fatal(err)
	}
	reports.Tool.Patience = time.Minute // the one that hung has to end, and another takes its place
	if got, err := reports.Look(t.Context(), OfNow, "vg1"); err != nil || !got.HasGroup("") {
		t.Errorf("when it has ended: %v, %v", got, err)
	}
}

// TestGroupsOfAnOwner: a look at some groups is enough only for an owner of whom
// all groups are known.
func TestGroupsOfAnOwner(t *testing.T) {
	owner := object.SessionOwner("a")
	d := New("0123456789abcdef", nil)
	d.ours[owner] = []string{"vg2"}
	if got := d.groups(owner, "vg1"); got != nil {
		t.Errorf("before all was seen: %v", got)
	}
	d.seen = true
	for _, c := range []struct{ named, want []string }{
		{nil, []string{"vg2"}},
		{named([]object.Object{{Spec: object.Volume{Group: "vg1"}}, {Spec: object.Volume{Group: "vg2"}}}), []string{"vg1", "vg2"}},
		{groupOf("/dev/vg3/coppice.a"), []string{"vg2", "vg3"}},
		{groupOf(""), []string{"vg2"}},
	} {
		if got := d.groups(owner, c.named...); !slices.Equal(got, c.want) {
			t.Errorf("named %v: %v, want %v", c.named, got, c.want)
		}
	}
}
