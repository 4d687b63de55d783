package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
)

// harm is one way of breaking a session by hand. Its script finds the session's
// name in S and its pin in P. What fails of it was not there.
type harm struct {
	name   string
	script string
	// ok says which sessions it may be done to; nil for any.
	ok func(*item) bool
	// forgets is set when only the manifest still knows what the session is to be.
	forgets bool
}

var harms = []harm{
	{"the pin is unmounted", `umount -l "$P"`, nil, false},
	{"the pin is unmounted and its file removed", `umount -l "$P" && rm -f "$P"`, nil, false},
	{"the view is unmounted", `umount -l run/sessions/$S/root`, nil, false},
	{"the view and its folder are taken away", `umount -l run/sessions/$S/root && rmdir run/sessions/$S/root`, nil, false},
	{"base mounts are unmounted", `umount -l run/bases/*`, nil, false},
	{"loop devices are detached", `for l in $(losetup --noheadings --raw --output NAME,BACK-FILE | grep "$PWD/[a-z0-9]*[.]\(sqfs\|erofs\|ext4\)" | cut -d' ' -f1); do losetup -d $l; done`, nil, false},
	{"the work folder is removed", `rm -r --one-file-system state/sessions/$S/work`, nil, false},
	{"the upper is removed", `rm -r --one-file-system state/sessions/$S/upper`, nil, false},
	{"its store is unmounted", `umount -l run/stores/$S`, func(i *item) bool { return i.kind == limited }, false},
	{"its store and the folder of it are taken away", `umount -l run/stores/$S && rmdir run/stores/$S`, func(i *item) bool { return i.kind == limited }, false},
	{"the record is removed", `rm state/sessions/$S/record.json`, forgettable, true},
	{"the home is removed", `rm -r --one-file-system state/sessions/$S`, func(i *item) bool { return forgettable(i) && i.kind != "btrfs" && i.kind != limited }, true},
	{"a status is removed", `rm run/status/session/$S.yaml`, nil, false},
	{"all statuses are removed", `rm -r run/status/session`, nil, false},
	{"its programs are killed", `for g in /sys/fs/cgroup/*/coppice-$(cat state/id)/$S*; do echo 1 >$g/cgroup.kill; done`, nil, false},
	{"its cgroup is removed", `rmdir /sys/fs/cgroup/*/coppice-$(cat state/id)/$S*`, nil, false},
	{"the snapshot is deleted", `btrfs -q subvolume delete "$(readlink state/sessions/$S/snapshot)"`, func(i *item) bool { return i.kind == "btrfs" }, false},
	{"rubbish among the pins", `mkdir -p run/ns/$S && touch run/ns/$S/rubbish run/ns/junk`, nil, false},
	{"the scratch folder is removed", `rm -rf --one-file-system run/scratch`, nil, false},
}

// forgettable reports whether a session's manifest says all that its home knows.
func forgettable(i *item) bool {
	return i.seen && i.broken == "" && !i.changed && i.ref == "" && i.hope == ready && !strings.Contains(strings.Join(i.lines, ""), "undo")
}

// damage breaks a session.
func (s *soak) damage() (string, error) {
	n := s.r.IntN(len(harms) + 8)
	if n >= len(harms) {
		return s.unmountInside()
	}
	h := harms[n]
	i := s.any(func(i *item) bool { return i.hope != expires && (h.ok == nil || h.ok(i)) })
	if i == nil {
		return "", nil
	}
	pin := s.pin(i.name)
	if strings.Contains(h.script, "$P\"") && pin == "" {
		return "", nil
	}
	cmd := exec.Command("/bin/sh", "-c", h.script)
	cmd.Dir = s.base
	cmd.Env = append(os.Environ(), "S="+i.name, "P="+pin)
	err := cmd.Run()
	if h.forgets { // even if it failed half-way
		i.seen = false
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return "", nil // it was not there, or the daemon was faster
	}
	return i.name + " (" + i.kind + "): " + h.name, err
}

// unmountInside takes a mount away inside a session's namespace.
func (s *soak) unmountInside() (string, error) {
	i := s.any(func(i *item) bool { return i.hope != expires && i.kind != "plain" })
	if i == nil {
		return "", nil
	}
	pick, lazy := s.r.Uint64(), s.r.IntN(2) == 0
	pin, err := os.Open(s.pin(i.name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // it is not made yet
	} else if err != nil {
		return "", err
	}
	defer pin.Close()
	target := ""
	// If it fails the pin was just being made or dropped, or the mount is busy.
	_ = enter.Do(pin, func(t enter.Thread) error {
		table, err := mounttable.Inside(t)
		if err != nil || len(table) < 2 {
			return err
		}
		target = table[1+int(pick%uint64(len(table)-1))].Mountpoint
		flags := 0
		if lazy {
			flags = syscall.MNT_DETACH
		}
		if err := syscall.Unmount(target, flags); err != nil {
			target = ""
		}
		return nil
	})
	if target == "" {
		return "", nil
	}
	return fmt.Sprintf("%s: %s is unmounted inside", i.name, target), nil
}

// enter leaves a program in a session.
func (s *soak) enter() (string, error) {
	i := s.any(func(i *item) bool { return i.hope == ready })
	if i == nil || len(s.inside) > 12 {
		return "", nil
	}
	pin := s.pin(i.name)
	if pin == "" {
		return "", nil
	}
	how := "by nsenter"
	cmd := exec.Command("nsenter", "--mount="+pin, "/bin/busybox", "sleep", "3000")
	if s.daemon.up() && s.r.IntN(2) == 0 {
		how = "by coppice exec"
		cmd = exec.Command(s.bin+"/coppice", "--run-dir", s.path("run"), "exec", i.name, "--", "/bin/busybox", "sleep", "3000")
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := program{session: i.name, cmd: cmd, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go func() {
		_ = cmd.Wait() // it ends by a signal, or never got in
		close(p.ended)
	}()
	s.inside = append(s.inside, p)
	return fmt.Sprintf("%s, pid %d %s", i.name, cmd.Process.Pid, how), nil
}

// leave ends the programs that were left in sessions and still run.
func (s *soak) leave() {
	for _, p := range s.inside {
		_ = p.cmd.Process.Kill() // it may have ended with its session
		<-p.ended
	}
	s.inside = nil
}

// sweepRubbish removes what damage has put there and nobody else may remove.
func (s *soak) sweepRubbish() {
	rubbish, _ := filepath.Glob(s.path("run/ns/*junk")) // the pattern is good
	more, _ := filepath.Glob(s.path("run/ns/*/rubbish"))
	for _, path := range append(rubbish, more...) {
		_ = os.Remove(path)               // the daemon may have done it
		_ = os.Remove(filepath.Dir(path)) // nobody's, if it is empty now
	}
}
