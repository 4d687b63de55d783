package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// lookalikes are objects that resemble the controller's, and are somebody
// else's: what a second controller makes, or a person with the same taste.
type lookalikes struct {
	groups  []string
	program *exec.Cmd
}

// dress makes the look-alikes. The identity in their labels is not this
// controller's.
const dress = `
mkdir -p alike/run/ns alike/run/sessions/s0/root alike/state/sessions/s0/upper
echo kept >alike/state/sessions/s0/upper/file
mount -t tmpfs coppice/ffffffffffff/session/s0#000000000000.000000000000 alike/run/sessions/s0/root
echo kept >alike/run/sessions/s0/root/file
mount -t tmpfs coppice/ffffffffffff/base/000000000000#000000000000.000000000000 alike/run/ns
cp root.sqfs alike/root.sqfs; losetup --read-only --find --show alike/root.sqfs >alike/loop
mkdir -p pool/.coppice-snapshots; btrfs -q subvolume create pool/.coppice-snapshots/s0-ffffffffffff; echo kept >pool/.coppice-snapshots/s0-ffffffffffff/file
mkdir -p state/sessions/.s0 state/sessions/lost+found
`

// notice says what has become of them.
const notice = `
for f in alike/state/sessions/s0/upper alike/run/sessions/s0/root pool/.coppice-snapshots/s0-ffffffffffff; do test "$(cat $f/file)" = kept || echo a file; done
grep -q " $PWD/alike/run/ns " /proc/self/mountinfo || echo a mount
losetup --noheadings --output BACK-FILE $(cat alike/loop) | grep -q "^$PWD/alike/root.sqfs" || echo a loop device
`

// undress takes the look-alikes away.
const undress = `
umount alike/run/ns alike/run/sessions/s0/root
losetup --detach $(cat alike/loop)
btrfs -q subvolume delete pool/.coppice-snapshots/s0-ffffffffffff >/dev/null
rmdir pool/.coppice-snapshots state/sessions/.s0 state/sessions/lost+found 2>/dev/null || true
`

func (s *soak) dress() error {
	if out, err := s.shell(dress); err != nil {
		return fmt.Errorf("make look-alikes: %w: %s", err, out)
	}
	s.alike = &lookalikes{}
	out, err := s.shell(`for r in /sys/fs/cgroup /sys/fs/cgroup/unified; do
test -e $r/cgroup.procs || continue
mkdir -p $r/coppice-ffffffffffff-$$/s0 && echo $r/coppice-ffffffffffff-$$ && break; done`)
	if err != nil {
		return fmt.Errorf("make a cgroup that looks alike: %w: %s", err, out)
	}
	s.alike.groups = strings.Fields(out)
	s.alike.program = exec.Command("unshare", "--mount", "/bin/busybox", "sleep", "100000")
	return s.alike.program.Start()
}

// notice returns what has become of the look-alikes; nothing should.
func (s *soak) noticeAlike() []string {
	var script strings.Builder
	script.WriteString(notice)
	for _, g := range s.alike.groups {
		fmt.Fprintf(&script, "test -d %s/s0 || echo a cgroup\n", g)
	}
	fmt.Fprintf(&script, "kill -0 %d 2>/dev/null || echo a process\n", s.alike.program.Process.Pid)
	out, err := s.shell(script.String())
	if err != nil {
		return []string{fmt.Sprintf("look at the look-alikes: %v: %s", err, out)}
	}
	var wrong []string
	for line := range strings.Lines(out) {
		wrong = append(wrong, "not ours, and gone: "+strings.TrimSpace(line))
	}
	return wrong
}

// undress takes them away again, as far as they are there.
func (s *soak) undress() {
	if s.alike == nil {
		return
	}
	_, _ = s.shell("set +e\n" + undress)
	for _, g := range s.alike.groups {
		_, _ = s.shell("rmdir " + g + "/s0 " + g)
	}
	if s.alike.program.Process != nil {
		_ = s.alike.program.Process.Kill()
		_ = s.alike.program.Wait()
	}
	s.alike = nil
}
