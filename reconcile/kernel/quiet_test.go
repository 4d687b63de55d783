package kernel

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestQuietly(t *testing.T) {
	io := func() uintptr {
		class, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioWhoProcess, 0, 0)
		if errno != 0 {
			t.Error(errno)
		}
		return class
	}
	want := errors.New("what it returns")
	err := quietly(func() error {
		if class := io(); class != ioPriorityIdle {
			t.Errorf("priority at the disk is %#x, want %#x", class, ioPriorityIdle)
		}
		// The call returns 20 - nice (getpriority(2)).
		if p, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || p != 20-lowest {
			t.Errorf("priority at the processor is %d, %v, want %d", p, err, 20-lowest)
		}
		return want
	})
	if err != want { //nolint:errorlint // that very error
		t.Errorf("error %v", err)
	}
	for range 100 { // nobody else is handed the slow thread
		done := make(chan uintptr)
		go func() { done <- io() }()
		if class := <-done; class == ioPriorityIdle {
			t.Fatal("another goroutine is slow now")
		}
	}
}
