package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"coppice.dev/test/vm/wire"
)

// systemPackages are what a system of its own has, beside what these depend on: what
// a build host has that is managed by a repository of manifests.
var systemPackages = []string{
	"systemd", "systemd-sysv", "udev", "dbus", "kmod", "procps", "mount", "e2fsprogs", "iproute2", "less",
	"ca-certificates", "curl", "git", "openssh-client", "busybox-static", "xz-utils", "zstd",
	"apt-utils", "sbuild", "schroot",
}

// systemFiles make the job a service that is started when all else is, and ends the
// machine when it has ended. Work that a machine of a few minutes has no use for is
// left out; nothing is hurried on an emulated processor.
var systemFiles = map[string]string{
	"etc/hostname": "coppice-vm\n",
	"etc/hosts":    "127.0.0.1 localhost coppice-vm\n",
	"etc/fstab":    "",
	"etc/systemd/system/coppice-job.target": `[Unit]
Requires=multi-user.target coppice-job.service
After=multi-user.target
`,
	"etc/systemd/system/coppice-job.service": `[Unit]
After=multi-user.target
SuccessAction=poweroff
FailureAction=poweroff-force

[Service]
Type=exec
ExecStart=` + wire.GuestProgram + ` runner
Environment=HOME=/root USER=root SHELL=/bin/bash LC_ALL=C.UTF-8 TERM=linux DEBIAN_FRONTEND=noninteractive
OOMScoreAdjust=-900
`,
	"etc/systemd/system.conf.d/patience.conf": "[Manager]\nDefaultTimeoutStartSec=10min\nDefaultTimeoutStopSec=5min\nDefaultDeviceTimeoutSec=10min\n",
	"etc/apt/sources.list":                    "",
	// The disk is thrown away, and what is said goes to a log.
	"etc/dpkg/dpkg.cfg.d/hurry": "force-unsafe-io\n",
	"etc/apt/apt.conf.d/plain":  "Dpkg::Use-Pty \"false\";\nAPT::Install-Recommends \"true\";\nAPT::Sandbox::User \"root\";\n",
}

// systemMasked are units that are not to be started.
var systemMasked = []string{
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
	"systemd-tmpfiles-clean.timer", "getty.target", "systemd-pstore.service",
}

// systemSize is how large the disk is; its file takes what is on it.
const systemSize = 6 << 30

func systemRecipe(image Image) string {
	var files strings.Builder
	for _, name := range sortedKeys(systemFiles) {
		fmt.Fprintf(&files, "%s\n%s\n", name, systemFiles[name])
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		"2", image.Name(), files.String(), strings.Join(systemPackages, " "), strings.Join(systemMasked, " "),
	}, "\n")))
	return hex.EncodeToString(sum[:6])
}

// EnsureSystem returns the path of a disk with a Debian that systemd starts, with the
// modules of the image's kernel; it is made first if there is none. Run.System takes
// a copy of it (CopyDisk). Its packages are installed as by an installer, so it takes
// root to make it.
func EnsureSystem(ctx context.Context, image Image, words func(format string, args ...any)) (string, error) {
	cache := filepath.Dir(image.folder)
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	disk := filepath.Join(cache, "system-"+suite+"-"+systemRecipe(image)+".ext4")
	if _, err := os.Stat(disk); err == nil {
		return disk, nil
	}
	if os.Geteuid() != 0 {
		return "", errors.New("make a system with systemd: only root can install packages into it")
	}
	words("making a system with systemd from Debian's packages, once")
	work, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	root, fresh := filepath.Join(work, "root"), filepath.Join(work, "disk")
	if _, err := output(ctx, nil, "mmdebstrap", "--variant=minbase", "--include="+strings.Join(systemPackages, ","),
		`--aptopt=Apt::Install-Recommends "false"`, suite, root, mirror); err != nil {
		return "", err
	}
	if err := settleSystem(ctx, root, image); err != nil {
		return "", fmt.Errorf("settle the system: %w", err)
	}
	if err := Blank(fresh, systemSize); err != nil {
		return "", err
	}
	if _, err := output(ctx, nil, "mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-d", root, fresh); err != nil {
		return "", err
	}
	return disk, os.Rename(fresh, disk)
}

// settleSystem turns what was installed into what is started.
func settleSystem(ctx context.Context, root string, image Image) error {
	at := func(path string) string { return filepath.Join(root, path) }
	if _, err := output(ctx, nil, "unsquashfs", "-quiet", "-no-progress", "-force", "-dest", root, image.root(), "usr/lib/modules"); err != nil {
		return err
	}
	for name, text := range systemFiles {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			return err
		}
		if err := os.RemoveAll(at(name)); err != nil {
			return err
		}
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, unit := range systemMasked {
		if err := os.Symlink("/dev/null", at("etc/systemd/system/"+unit)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	// An empty one is filled at the first start, and stays.
	if err := os.WriteFile(at("etc/machine-id"), nil, 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(at(wire.JobRoot), 0o755); err != nil {
		return err
	}
	for _, pattern := range []string{"var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "var/lib/apt/lists/*_*"} {
		found, err := filepath.Glob(at(pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// CopyDisk copies a disk; its holes stay holes, and its data is shared where the file
// system can do that.
func CopyDisk(ctx context.Context, from, to string) error {
	_, err := output(ctx, nil, "cp", "--reflink=auto", "--sparse=always", "-T", from, to)
	return err
}
