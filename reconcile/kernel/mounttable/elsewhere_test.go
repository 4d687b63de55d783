package mounttable

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
)

// TestAnotherNamespace asks about a namespace that the caller is not in, as those of
// sessions are.
func TestAnotherNamespace(t *testing.T) {
	base := private(t)
	var file *os.File
	var within []uint64
	err := enter.Alone(func(thread enter.Thread) error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("there", base, "tmpfs", 0, ""); err != nil {
			return err
		}
		if err := unix.Chdir(base); err != nil {
			return err
		}
		if err := unix.PivotRoot(".", "."); err != nil {
			return err
		}
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return err
		}
		for _, path := range []string{"/a", "/b", "/b/c"} {
			if err := errors.Join(unix.Mkdir(path, 0o755), unix.Mount("there", path, "tmpfs", 0, "")); err != nil {
				return err
			}
		}
		for _, path := range []string{"/", "/a", "/b", "/b/c"} {
			folder, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(folder)
			number, err := Unique(folder)
			if err != nil {
				return err
			}
			within = append(within, number)
		}
		var err error
		file, err = thread.Open("ns/mnt")
		return err
	})
	var space *Space
	if err == nil {
		space, err = SpaceOf(file)
	}
	if err == nil {
		_, err = space.Numbers()
	}
	if errors.Is(err, unix.ENOSYS) || Unsupported(err) && file != nil {
		t.Skip("this kernel does not tell of other namespaces:", err)
	}
	must(t, err)
	for range 2 {
		numbers, err := space.Numbers()
		must(t, err)
		slices.Sort(numbers)
		// Under its root may be one that nobody sees.
		if len(numbers) > len(within)+1 || !slices.Equal(numbers[len(numbers)-len(within):], within) {
			t.Errorf("its mounts are %v, want %v", numbers, within)
		}
	}
	has := func(mount uint64) bool {
		is, err := space.Has(mount)
		must(t, err)
		return is
	}
	host, err := list()
	must(t, err)
	if !has(within[3]) || has(host[0]) {
		t.Errorf("it has its own mount: %t, and the host's: %t", has(within[3]), has(host[0]))
	}
	must(t, file.Close()) // nobody else keeps it
	for {
		if _, err := space.Numbers(); errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if has(within[3]) {
		t.Error("it has a mount after it is gone")
	}
	if _, err := SpaceOf(os.Stdin); err == nil {
		t.Error("a file that is no namespace is one")
	}
}
