package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/durable"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	for text, write := range map[string]func(string, []byte, os.FileMode) error{"flushed": durable.Write, "and not": durable.Replace} {
		// What a crash left behind is neither in the way nor mixed in.
		if err := os.WriteFile(path+".new", []byte("half of something that was longer"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := write(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("read %q, %v", got, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWriteFails(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	folder := t.TempDir()
	if err := durable.Write(filepath.Join(folder, "no", "such"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := unix.Mount("durable-test", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
	path := filepath.Join(folder, "file")
	if err := durable.Write(path, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(path, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want %v", err, unix.ENOSPC)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "kept" {
		t.Errorf("what was there is now %q, %v", text, err)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("half a file was left")
	}
}
