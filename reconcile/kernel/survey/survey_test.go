package survey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/layout"
)

// machine makes the files of a machine, each named with what it holds.
func machine(t *testing.T, files map[string]string) Machine {
	t.Helper()
	m := Machine{Root: t.TempDir(), Layout: layout.Layout{State: "/var/lib/coppice", Run: "/run/coppice"}, Calls: func(call) bool { return true }}
	for path, text := range files {
		at := filepath.Join(m.Root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// good is a machine to which nothing is lacking.
func good() map[string]string {
	files := map[string]string{
		"/proc/sys/kernel/osrelease":              "6.12.9-amd64\n",
		"/proc/filesystems":                       "nodev\ttmpfs\nnodev\toverlay\n\text4\n\txfs\n",
		"/lib/modules/6.12.9-amd64/modules.dep":   "kernel/fs/btrfs/btrfs.ko.xz: kernel/lib/raid6/raid6_pq.ko.xz\nkernel/fs/squashfs/squashfs.ko: \nkernel/fs/erofs/erofs.ko.zst:\nkernel/drivers/md/dm-mod.ko:\n",
		"/proc/misc":                              " 58 rfkill\n",
		"/dev/loop-control":                       "",
		"/sys/fs/cgroup/cgroup.procs":             "",
		"/sys/fs/cgroup/cgroup.controllers":       "cpuset cpu io memory pids\n",
		"/proc/sys/fs/mount-max":                  "100000\n",
		"/proc/self/mountinfo":                    "1\n2\n3\n",
		"/proc/sys/fs/inotify/max_user_instances": "128\n",
		"/proc/sys/fs/inotify/max_user_watches":   "65536\n",
	}
	for _, p := range called {
		files["/usr/bin/"+p.name] = "#!"
	}
	return files
}

// told are the findings that are not good, a line each.
func told(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		if f.Level != Good {
			lines = append(lines, string(f.Level)+" "+f.What+": "+f.Advice)
		} else if f.Advice != "" {
			lines = append(lines, "advice for what is good: "+f.What)
		}
	}
	return strings.Join(lines, "\n")
}

func TestLook(t *testing.T) {
	without := func(path string) func(map[string]string) {
		return func(files map[string]string) { delete(files, path) }
	}
	with := func(path, text string) func(map[string]string) {
		return func(files map[string]string) { files[path] = text }
	}
	for name, row := range map[string]struct {
		change func(map[string]string)
		want   string // the beginning of the only line
	}{
		"nothing is lacking": {func(map[string]string) {}, ""},
		"an old kernel":      {func(files map[string]string) { rename(files, "6.12.9-amd64", "5.10.0-30-amd64") }, "note version: Coppice is tested on 6.1"},
		"a kernel of a name": {func(files map[string]string) { rename(files, "6.12.9-amd64", "custom") }, "note version: it is not known"},
		"the oldest kernel":  {func(files map[string]string) { rename(files, "6.12.9-amd64", "6.1.0-18-amd64") }, ""},
		"no overlay":         {with("/proc/filesystems", "nodev\ttmpfs\n\text4\n\txfs\n"), "problem overlay: each session"},
		"no modules":         {with("/lib/modules/6.12.9-amd64/modules.dep", "kernel/fs/btrfs/btrfs.ko:\nkernel/fs/erofs/erofs.ko:\nkernel/drivers/md/dm-mod.ko:\n"), "note squashfs: images"},
		"no device-mapper":   {with("/lib/modules/6.12.9-amd64/modules.dep", "a/btrfs.ko:\na/squashfs.ko:\na/erofs.ko:\n"), "note device-mapper: snapshots of LVM cannot be made: modprobe"},
		"built in": {func(files map[string]string) {
			with("/lib/modules/6.12.9-amd64/modules.dep", "a/btrfs.ko:\na/squashfs.ko:\na/erofs.ko:\n")(files)
			files["/proc/misc"] = "236 device-mapper\n"
		}, ""},
		"no loop devices":       {without("/dev/loop-control"), "note loop devices: images cannot be mounted: modprobe loop"},
		"no cgroups":            {without("/sys/fs/cgroup/cgroup.controllers"), "note cgroup v2: processes are known"},
		"cgroups without limit": {with("/sys/fs/cgroup/cgroup.controllers", "cpu io pids"), "note cgroup v2: sessions cannot be limited by memory"},
		"no tar":                {without("/usr/bin/tar"), "problem tar: archives are unpacked with it; install the package tar"},
		"no xz":                 {without("/usr/bin/xz"), "note xz: archives that it compressed"},
		"little room":           {with("/proc/sys/fs/mount-max", "500"), "note mounts: raise it: sysctl fs.mount-max=20003"},
		"few instances":         {with("/proc/sys/fs/inotify/max_user_instances", "10"), "note inotify instances: changes in watched folders"},
	} {
		t.Run(name, func(t *testing.T) {
			files := good()
			row.change(files)
			m := machine(t, files)
			var findings []Finding
			for _, look := range []func() []Finding{m.kernel, m.fileSystems, m.programs, m.limits} {
				findings = append(findings, look()...)
			}
			got := told(findings)
			if row.want == "" && got != "" || !strings.HasPrefix(got, row.want) || strings.Contains(got, "\n") {
				t.Errorf("told:\n%s\nwant %s", got, row.want)
			}
		})
	}
}

// rename has the machine's kernel be another, with the same modules.
func rename(files map[string]string, from, to string) {
	files["/lib/modules/"+to+"/modules.dep"] = files["/lib/modules/"+from+"/modules.dep"]
	files["/proc/sys/kernel/osrelease"] = to
}

func TestMissingCalls(t *testing.T) {
	for missing, want := range map[call]Level{callFsopen: Bad, callSetattr: Bad, callStatmount: Worth, callMountEvents: Worth} {
		m := machine(t, good())
		m.Calls = func(c call) bool { return c != missing }
		got := told(m.kernel())
		if !strings.HasPrefix(got, string(want)+" "+string(missing)) {
			t.Errorf("without %s: %s", missing, got)
		}
	}
}

// TestThisKernel asks the kernel that the test runs on for what all that Coppice
// supports have, and for what none has.
func TestThisKernel(t *testing.T) {
	if !has(callFsopen) || !has(callSetattr) {
		t.Error("this kernel makes mounts, and is told not to")
	}
	if has("another") {
		t.Error("it has what does not exist")
	}
}

func TestFolders(t *testing.T) {
	plenty, few := [2]uint64{50, 100}, [2]uint64{5, 100}
	for name, row := range map[string]struct {
		judge func(on) (Level, string)
		on    on
		level Level
		part  string
	}{
		"a state folder on a disk":        {stateOn, on{magic: unix.EXT4_SUPER_MAGIC, blocks: plenty, inodes: plenty}, Good, ""},
		"on an overlay":                   {stateOn, on{magic: unix.OVERLAYFS_SUPER_MAGIC, blocks: plenty}, Bad, "a volume"},
		"on NFS":                          {stateOn, on{magic: unix.NFS_SUPER_MAGIC, blocks: plenty}, Bad, "mount a local one"},
		"in memory":                       {stateOn, on{magic: unix.TMPFS_MAGIC, blocks: plenty}, Worth, "no session outlives a reboot"},
		"on a full disk":                  {stateOn, on{magic: unix.XFS_SUPER_MAGIC, blocks: few}, Worth, "space"},
		"without inodes":                  {stateOn, on{magic: unix.EXT4_SUPER_MAGIC, blocks: plenty, inodes: few}, Worth, "inodes"},
		"where inodes are made as needed": {stateOn, on{magic: unix.BTRFS_SUPER_MAGIC, blocks: plenty}, Good, ""},
		"a run-time folder in memory":     {runOn, on{magic: unix.TMPFS_MAGIC, blocks: plenty}, Good, ""},
		"on disk":                         {runOn, on{magic: unix.EXT4_SUPER_MAGIC, blocks: plenty}, Worth, "outlives a reboot"},
		"manifests of root":               {trusted, on{mode: 0o755}, Good, ""},
		"of somebody":                     {trusted, on{uid: 1000, mode: 0o755}, Bad, "user 1000"},
		"of everybody":                    {trusted, on{mode: 0o777}, Bad, "chmod go-w"},
		"of a group":                      {trusted, on{mode: 0o775}, Bad, "chmod go-w"},
	} {
		if level, advice := row.judge(row.on); level != row.level || !strings.Contains(advice, row.part) || (advice == "") != (level == Good) {
			t.Errorf("%s: %s, %q", name, level, advice)
		}
	}
}

func TestFolderThatIsNotThere(t *testing.T) {
	m := machine(t, map[string]string{"/var/file": ""})
	if f := m.folder("state folder", "/var/lib/coppice", trusted); f.Found != "/var/lib/coppice, not there yet" || f.Level == Bad && os.Getuid() == 0 {
		t.Errorf("%+v", f)
	}
	if f := m.folder("state folder", "/var/file", trusted); f.Level != Bad || !strings.Contains(f.Advice, "is no folder") {
		t.Errorf("%+v", f)
	}
	if f := m.folder("state folder", "/var/file/below", trusted); f.Level != Bad {
		t.Errorf("%+v", f)
	}
}
