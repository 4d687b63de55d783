package survey

import (
	"path/filepath"
	"strings"
)

// fileSystem is one that sessions stand on.
type fileSystem struct {
	name  string
	level Level // if it is not there
	why   string
}

var wanted = []fileSystem{
	{"overlay", Bad, "each session has a layer of its own on one"},
	{"tmpfs", Bad, "namespaces are made on one"},
	{"ext4", Worth, "images and devices with it cannot be used"},
	{"xfs", Worth, "images and devices with it cannot be used"},
	{"btrfs", Worth, "images with it, and snapshots of its subvolumes, cannot be used"},
	{"squashfs", Worth, "images with it cannot be used"},
	{"erofs", Worth, "images with it cannot be used"},
}

func (m Machine) fileSystems() []Finding {
	var all []Finding
	known := m.text("/proc/filesystems")
	for _, w := range wanted {
		f := Finding{Area: areaFileSystems, What: w.name, Level: Good}
		switch {
		case lists(known, w.name):
			f.Found = "there"
		case m.module(w.name):
			f.Found = "there, as a module that is loaded when it is needed"
		default:
			f.Found = "not there"
			f = f.but(w.level, w.why+"; install a kernel that has it, or its modules")
		}
		all = append(all, f)
	}
	return append(all, m.loop(), m.mapper())
}

// lists reports whether a list of the kernel's, one a line with the name last, has a
// name in it (proc_filesystems(5)).
func lists(text, name string) bool {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == name {
			return true
		}
	}
	return false
}

// module reports whether there is a kernel module of that name (modules.dep(5)).
func (m Machine) module(name string) bool {
	folder := "/lib/modules/" + m.text("/proc/sys/kernel/osrelease")
	for _, list := range []string{"modules.dep", "modules.builtin"} {
		for line := range strings.Lines(m.text(filepath.Join(folder, list))) {
			path, _, _ := strings.Cut(line, ":")
			if base, _, _ := strings.Cut(filepath.Base(strings.TrimSpace(path)), ".ko"); base == name {
				return true
			}
		}
	}
	return false
}

func (m Machine) loop() Finding {
	f := Finding{Area: areaFileSystems, What: "loop devices", Level: Good, Found: "there"}
	if !m.there("/dev/loop-control") {
		f.Found = "not there"
		return f.but(Worth, "images cannot be mounted: modprobe loop; in a container, give it /dev/loop-control and the loop devices")
	}
	return f
}

func (m Machine) mapper() Finding {
	f := Finding{Area: areaFileSystems, What: "device-mapper", Level: Good, Found: "there"}
	if !lists(m.text("/proc/misc"), "device-mapper") && !m.module("dm-mod") {
		f.Found = "not there"
		return f.but(Worth, "snapshots of LVM cannot be made: modprobe dm_mod, or install a kernel that has it")
	}
	return f
}
