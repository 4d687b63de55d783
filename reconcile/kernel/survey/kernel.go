package survey

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// oldest is the kernel that Coppice is tested on and that is the oldest of those.
var oldest = [2]int{6, 1}

// call is a system call, or a part of one, that not every kernel has.
type call string

const (
	callFsopen      call = "fsopen"
	callSetattr     call = "mount_setattr"
	callStatmount   call = "statmount"
	callMountEvents call = "mount events"
)

// has asks the kernel with arguments that can do nothing: one that it does not know at
// all answers ENOSYS, or EINVAL to a flag (fsopen(2), mount_setattr(2), statmount(2),
// fanotify_init(2)).
func has(c call) bool {
	switch c {
	case callFsopen:
		_, err := unix.Fsopen("", 0)
		return !errors.Is(err, unix.ENOSYS)
	case callSetattr:
		return !errors.Is(unix.MountSetattr(-1, "", 0, &unix.MountAttr{}), unix.ENOSYS)
	case callStatmount:
		_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, 0, 0, 0, 0, 0, 0)
		return errno != unix.ENOSYS
	case callMountEvents:
		group, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_MNT|unix.FAN_CLOEXEC, unix.O_RDONLY)
		if err == nil {
			unix.Close(group)
		}
		return !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS)
	}
	return false
}

func (m Machine) kernel() []Finding {
	return []Finding{
		version(m.text("/proc/sys/kernel/osrelease")),
		m.needed(callFsopen, Bad, "mounts are made with it: a kernel from 5.2 on has it; in a container, its seccomp profile may forbid it"),
		m.needed(callSetattr, Bad, "mounts are made read-only with it: a kernel from 5.12 on has it; in a container, its seccomp profile may forbid it"),
		m.needed(callStatmount, Worth, "tables of mounts are read as text, which takes longer where there are many sessions; a kernel from 6.8 on has it"),
		m.needed(callMountEvents, Worth, "damage to a session's mounts is found by reading its table of mounts now and then; a kernel from 6.15 on tells of it at once"),
		m.groups(),
	}
}

// version judges a kernel by its release, such as 6.1.0-18-amd64.
func version(release string) Finding {
	f := Finding{Area: areaKernel, What: "version", Level: Good, Found: "Linux " + release}
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return f.but(Worth, fmt.Sprintf("it is not known whether that is at least %d.%d", oldest[0], oldest[1]))
	}
	major, err := strconv.Atoi(parts[0])
	minor, minorErr := strconv.Atoi(parts[1])
	if err != nil || minorErr != nil || major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return f.but(Worth, fmt.Sprintf("Coppice is tested on %d.%d and later ones", oldest[0], oldest[1]))
	}
	return f
}

func (f Finding) but(level Level, advice string) Finding {
	f.Level, f.Advice = level, advice
	return f
}

func (m Machine) needed(c call, otherwise Level, advice string) Finding {
	f := Finding{Area: areaKernel, What: string(c), Level: Good, Found: "there"}
	if !m.Calls(c) {
		f.Found = "not there"
		return f.but(otherwise, advice)
	}
	return f
}

// limited are the controllers that limits of sessions are set by.
var limited = []string{"cpu", "io", "memory", "pids"}

// groups looks for a tree of cgroups of version 2, and what can be limited in it.
func (m Machine) groups() Finding {
	f := Finding{Area: areaKernel, What: "cgroup v2", Level: Good}
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if !m.there(at+"/cgroup.procs") || !m.there(at+"/cgroup.controllers") {
			continue
		}
		offered := strings.Fields(m.text(at + "/cgroup.controllers"))
		f.Found = at
		var missing []string
		for _, c := range limited {
			if !slices.Contains(offered, c) && !m.there("/sys/fs/cgroup/"+c) {
				missing = append(missing, c)
			}
		}
		if len(missing) > 0 {
			return f.but(Worth, fmt.Sprintf("sessions cannot be limited by %s: the tree does not offer it (%s/cgroup.controllers)", strings.Join(missing, ", "), at))
		}
		return f
	}
	f.Found = "not there"
	return f.but(Worth, "processes are known by their mount namespace alone, and cannot be limited; mount -t cgroup2 none /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1")
}
