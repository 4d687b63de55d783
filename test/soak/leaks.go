package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"coppice.dev/reconcile/kernel/mounttable"
)

// objects lists everything below the private folder, or with its name, that is
// there now: mounts in all namespaces, loop devices, subvolumes, cgroups, and
// programs with a foot in it.
func (s *soak) objects() ([]string, error) {
	var found []string
	table, err := mounttable.Host()
	if err != nil {
		return nil, err
	}
	for _, e := range mounttable.Below(table, s.base) {
		if e.Mountpoint != s.path("run/ns") && e.Mountpoint != s.path("run/seed") {
			found = append(found, "mount on "+e.Mountpoint)
		}
	}
	loops, err := exec.Command("losetup", "--all", "--noheadings", "--raw", "--output", "BACK-FILE").Output()
	if err != nil {
		return nil, fmt.Errorf("list loop devices: %w", err)
	}
	for line := range strings.Lines(string(loops)) {
		if strings.Contains(line, s.base) {
			found = append(found, "loop device of "+strings.TrimSpace(line))
		}
	}
	volumes, err := s.shell("btrfs subvolume list pool | sed 's/.* path //'")
	if err != nil {
		return nil, fmt.Errorf("list subvolumes: %w: %s", err, volumes)
	}
	for line := range strings.Lines(volumes) {
		found = append(found, "subvolume "+strings.TrimSpace(line))
	}
	for _, g := range s.groups() {
		// That of all sessions is there as long as the daemon runs, and that of
		// whoever waits for commands.
		if s.daemon.cmd == nil || !strings.HasSuffix(strings.TrimSuffix(g, "/.keepers"), s.identity()) {
			found = append(found, "cgroup "+g)
		}
	}
	found = append(found, s.programs()...)
	slices.Sort(found)
	return found, nil
}

// programs lists programs in namespaces with something of the private folder,
// the host's aside, and those that were started from it.
func (s *soak) programs() []string {
	host, _ := os.Readlink("/proc/self/ns/mnt") // our own is always there
	marks := []string{s.base}
	if id := s.identity(); id != "" {
		marks = append(marks, "coppice/"+id+"/")
	}
	var found []string
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo") // the pattern is good
	for _, path := range tables {
		proc := filepath.Dir(path)
		namespace, err := os.Readlink(proc + "/ns/mnt")
		if err != nil || namespace == host {
			continue
		}
		table, err := os.ReadFile(path)
		ours := func(mark string) bool { return bytes.Contains(table, []byte(mark)) }
		if err != nil || !slices.ContainsFunc(marks, ours) {
			continue
		}
		command, _ := os.ReadFile(proc + "/cmdline") // it may have ended
		text := strings.TrimSpace(string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		if strings.Contains(text, "100000") {
			continue // a witness, or one that looks alike
		}
		found = append(found, "program "+filepath.Base(proc)+" "+text)
	}
	return found
}

// folders lists what is left in the controller's folders.
func (s *soak) folders() []string {
	var found []string
	for _, folder := range []string{"state/sessions", "state/bases", "state/trash", "run/ns", "run/sessions", "run/bases", "run/stores", "run/scratch", "run/status/session", "run/status/chroot", "run/status/manifest", "hooked"} {
		left, err := os.ReadDir(s.path(folder))
		if err != nil {
			continue // it is not there
		}
		for _, e := range left {
			if folder == "state/sessions" && (e.Name() == ".s0" || e.Name() == "lost+found") {
				continue // look-alikes
			}
			found = append(found, folder+"/"+e.Name())
		}
	}
	return found
}
