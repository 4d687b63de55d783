// Package machine runs jobs in a virtual machine with Debian 12 and its kernel.
//
// The image, a kernel, the modules it starts with and a read-only file system,
// is made of Debian's packages once and kept in a cache folder; each run adds a
// disk with what it is to do and one with space to do it on. The machine is a
// process that ends with the one who started it.
//
// Nothing of the host is shared with the guest but what a run names, and nothing
// here needs root or changes the host's packages.
package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// version changes when the image is made in another way; see also packages.
const version = "3"

// Image is what every machine starts with.
type Image struct {
	folder string
	// Release is the kernel's, as uname names it.
	Release string
}

// Name tells images apart.
func (i Image) Name() string { return filepath.Base(i.folder) }

func (i Image) vmlinux() string   { return filepath.Join(i.folder, "vmlinux") }
func (i Image) initramfs() string { return filepath.Join(i.folder, "initramfs") }
func (i Image) root() string      { return filepath.Join(i.folder, "root.squashfs") }

// CacheFolder is where images are kept: COPPICE_VM_CACHE, or coppice-vm in the
// user's cache folder.
func CacheFolder() (string, error) {
	if folder := os.Getenv("COPPICE_VM_CACHE"); folder != "" {
		return folder, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil { // no home
		cache = "/var/cache"
	}
	return filepath.Join(cache, "coppice-vm"), nil
}

// recipe names the image: what differs in it is made anew.
func recipe() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		version, suite, kernel, lvmConf, strings.Join(packages, " "), strings.Join(bootModules, " "),
	}, "\n")))
	return hex.EncodeToString(sum[:6])
}

// Ensure returns the image, made first if there is none, or if fresh is set. The
// words tell of what takes time.
func Ensure(ctx context.Context, fresh bool, words func(format string, args ...any)) (Image, error) {
	cache, err := CacheFolder()
	if err != nil {
		return Image{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Image{}, err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return Image{}, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return Image{}, fmt.Errorf("lock the cache: %w", err)
	}
	folder := filepath.Join(cache, "debian-"+suite+"-"+recipe())
	if _, err := os.Stat(folder); err != nil || fresh {
		words("making the virtual machine's image from Debian's packages, once")
		if err := build(ctx, cache, folder); err != nil {
			return Image{}, fmt.Errorf("make the image: %w", err)
		}
	}
	release, err := os.ReadFile(filepath.Join(folder, "release"))
	if err != nil {
		return Image{}, err
	}
	return Image{folder: folder, Release: string(release)}, nil
}

// build makes the image beside its place and puts it there when it is whole.
func build(ctx context.Context, cache, folder string) error {
	work, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	root, result := filepath.Join(work, "root"), filepath.Join(work, "result")
	for _, path := range []string{root, result} {
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
	}
	if err := (apt{folder: filepath.Join(work, "apt")}).unpack(ctx, root); err != nil {
		return err
	}
	if err := settle(root); err != nil {
		return fmt.Errorf("settle the packages: %w", err)
	}
	if err := unpackKernel(ctx, root, result); err != nil {
		return fmt.Errorf("unpack the kernel: %w", err)
	}
	// Reading what is not compressed is what an emulated processor does best.
	if _, err := output(ctx, nil, "mksquashfs", root, filepath.Join(result, "root.squashfs"),
		"-all-root", "-noI", "-noId", "-noD", "-noF", "-noX", "-no-progress", "-quiet"); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.Rename(result, folder)
}
