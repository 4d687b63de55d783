package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lvmConf stands in for udev and the daemons of LVM, which the guest lacks.
const lvmConf = `
global { use_lvmpolld=0
 event_activation=0 }
devices { use_devicesfile=0
 obtain_device_list_from_udev=0
 external_device_info_source="none"
 scan="/dev" }
activation { udev_sync=0
 udev_rules=0
 verify_udev_operations=0
 monitoring=0 }
backup { backup=0
 archive=0 }
`

// settle does by hand what the packages' scripts would have done, as far as the
// tests need it.
func settle(root string) error {
	at := func(path string) string { return filepath.Join(root, path) }
	for _, database := range []string{"passwd", "group"} {
		text, err := os.ReadFile(at("usr/share/base-passwd/" + database + ".master"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(at("etc/"+database), []byte(strings.ReplaceAll(string(text), "root:*:", "root:x:")), 0o644); err != nil {
			return err
		}
	}
	files := map[string]string{
		"etc/hostname":         "coppice-vm\n",
		"etc/hosts":            "127.0.0.1 localhost coppice-vm\n",
		"etc/fstab":            "",
		"etc/motd":             "Debian GNU/Linux 12\n",
		"etc/resolv.conf":      "nameserver 127.0.0.1\n",
		"etc/machine-id":       "",
		"etc/lvm/lvm.conf":     lvmConf,
		"etc/ld.so.conf":       "include /etc/ld.so.conf.d/*.conf\n",
		"etc/nsswitch.conf":    "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
		"etc/apt/sources.list": "",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	links := map[string]string{
		"usr/bin/awk": "mawk", "usr/bin/which": "which.debianutils", "etc/mtab": "/proc/self/mounts",
	}
	for name, target := range links {
		if err := os.Symlink(target, at(name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	for _, folder := range []string{"job", "tmp", "run", "proc", "sys", "dev", "mnt", "root", "var/tmp", "var/lib", "src"} {
		if err := os.MkdirAll(at(folder), 0o755); err != nil {
			return err
		}
	}
	// What is only read by people.
	for _, folder := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/bash-completion"} {
		if err := os.RemoveAll(at(folder)); err != nil {
			return err
		}
	}
	return nil
}

// bootModules are what the guest loads before anything else, with what these
// need; the kernel loads others when they are asked for.
var bootModules = []string{
	"virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "squashfs", "overlay", "loop",
	"dm-mod", "dm-snapshot", "dm-thin-pool", "erofs", "xfs", "btrfs", "fuse",
}

// moduleOrder lists the files of the modules, relative to the kernel's folder,
// each after those it needs.
func moduleOrder(folder string, wanted []string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "modules.dep"))
	if err != nil {
		return nil, err
	}
	needs, named := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		file, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found {
			return nil, fmt.Errorf("read modules.dep: no colon in %q", line)
		}
		needs[file] = strings.Fields(rest)
		named[moduleName(file)] = file
	}
	var order []string
	seen := map[string]bool{}
	var add func(file string)
	add = func(file string) {
		if seen[file] {
			return
		}
		seen[file] = true
		for _, needed := range needs[file] {
			add(needed)
		}
		order = append(order, file)
	}
	for _, name := range wanted {
		file, found := named[moduleName(name)]
		if !found {
			return nil, fmt.Errorf("find the module %s: %s does not name it", name, folder)
		}
		add(file)
	}
	return order, nil
}

func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
