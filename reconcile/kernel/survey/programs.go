package survey

import (
	"os"
	"path/filepath"
)

// program is one that is called, since it is the interface to what it does.
type program struct {
	name, of string // the package that has it
	level    Level  // if it is not there
	why      string
}

var called = []program{
	{"tar", "tar", Bad, "archives are unpacked with it"},
	{"xz", "xz-utils", Worth, "archives that it compressed cannot be unpacked"},
	{"bzip2", "bzip2", Worth, "archives that it compressed cannot be unpacked"},
	{"getent", "libc-bin", Worth, "users of the host cannot be looked up for nssDatabases"},
	{"mkfs.ext4", "e2fsprogs", Worth, "uppers on disk cannot be limited"},
	{"lvm", "lvm2", Worth, "snapshots of LVM cannot be made"},
	{"thin_check", "thin-provisioning-tools", Worth, "thin pools of LVM cannot be used"},
}

// search is where programs are looked for, whatever the caller's PATH is.
var search = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

func (m Machine) programs() []Finding {
	var all []Finding
	for _, p := range called {
		f := Finding{Area: areaPrograms, What: p.name, Level: Good}
		if f.Found = m.find(p.name); f.Found == "" {
			f.Found = "not there"
			f = f.but(p.level, p.why+"; install the package "+p.of)
		}
		all = append(all, f)
	}
	return all
}

// find returns where a program is.
func (m Machine) find(name string) string {
	for _, folder := range search {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(filepath.Join(m.Root, path)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
