package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/test/vm/wire"
)

// mount is one entry of the guest's table.
type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
	mode                 os.FileMode
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s at %s: %w", m.source, m.target, err)
	}
	if m.mode != 0 {
		return os.Chmod(m.target, m.mode)
	}
	return nil
}

func mountAll(list []mount) error {
	for _, m := range list {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

// mountKernels mounts the file systems that the kernel itself provides.
func mountKernels(root string) error {
	at := func(path string) string { return filepath.Join(root, path) }
	safe := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return mountAll([]mount{
		{source: "proc", target: at("proc"), kind: "proc", flags: safe},
		{source: "sysfs", target: at("sys"), kind: "sysfs", flags: safe},
		{source: "udev", target: at("dev"), kind: "devtmpfs", flags: unix.MS_NOSUID, data: "mode=0755"},
		{source: "devpts", target: at("dev/pts"), kind: "devpts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "gid=5,mode=620,ptmxmode=000"},
		{source: "tmpfs", target: at("dev/shm"), kind: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
	})
}

// makeRoot puts the root together as Debian has it and goes over to it: the
// read-only image with a layer in memory on top, scratch space on a disk.
func makeRoot() error {
	disk, err := disks(wire.DiskRoot, wire.DiskJob, wire.DiskScratch)
	if err != nil {
		return err
	}
	list := []mount{
		{source: disk[wire.DiskRoot], target: "/image", kind: "squashfs", flags: unix.MS_RDONLY},
		{source: "tmpfs", target: "/layer", kind: "tmpfs", data: "mode=0755"},
	}
	if err := mountAll(list); err != nil {
		return err
	}
	for _, folder := range []string{"/layer/upper", "/layer/work"} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	}
	list = []mount{
		{source: "overlay", target: "/root", kind: "overlay", data: "lowerdir=/image,upperdir=/layer/upper,workdir=/layer/work"},
		{source: disk[wire.DiskJob], target: "/root" + wire.JobRoot, kind: "squashfs", flags: unix.MS_RDONLY},
		{source: disk[wire.DiskScratch], target: "/root/tmp", kind: "ext4", mode: 0o1777 | os.ModeSticky},
		{source: "tmpfs", target: "/root/run", kind: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=0755"},
	}
	if err := mountAll(list); err != nil {
		return err
	}
	if err := mountKernels("/root"); err != nil {
		return err
	}
	if err := (mount{source: "cgroup2", target: "/root/sys/fs/cgroup", kind: "cgroup2", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}).do(); err != nil {
		return err
	}
	for _, folder := range []string{"lock", "lvm", "mount"} {
		if err := os.Mkdir("/root/run/"+folder, 0o755); err != nil {
			return err
		}
	}
	if err := links("/root/dev", disk); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("coppice-vm")); err != nil {
		return err
	}
	if err := copyFile("/init", "/root"+self); err != nil {
		return err
	}
	return changeRoot("/root")
}

// links makes what udev makes where there is one.
func links(dev string, disk map[string]string) error {
	if err := os.Chmod(dev+"/pts/ptmx", 0o666); err != nil {
		return err
	}
	if err := os.RemoveAll(dev + "/ptmx"); err != nil {
		return err
	}
	list := map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	}
	for serial, device := range disk {
		list["disk/by-id/virtio-"+serial] = "../../" + filepath.Base(device)
	}
	if err := os.MkdirAll(dev+"/disk/by-id", 0o755); err != nil {
		return err
	}
	for name, target := range list {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}

// changeRoot leaves the initramfs for good. What is mounted below it by then goes
// along; mounts are shared as systemd makes them.
func changeRoot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	return nil
}

// disks finds the devices by their serial numbers, which the harness gave them.
// The kernel takes a moment to find a device after its driver was loaded.
func disks(wanted ...string) (map[string]string, error) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		found, err := serials()
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(wanted, func(serial string) bool { return found[serial] == "" }) {
			return found, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("find the disks: there are only %v", found)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func serials() (map[string]string, error) {
	files, err := filepath.Glob("/sys/block/vd*/serial")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, file := range files {
		serial, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found[strings.TrimSpace(string(serial))] = "/dev/" + filepath.Base(filepath.Dir(file))
	}
	return found, nil
}

// loadModules loads the modules that the list names, in its order, so that each
// finds what it needs.
func loadModules(folder, order string) error {
	list, err := os.ReadFile(order)
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(list)) {
		file, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(file.Fd()), "", 0)
		file.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.Close()
}
