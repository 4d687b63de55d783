package tracer

import (
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The offsets of what a filter can look at (struct seccomp_data, seccomp(2)).
const (
	offsetNumber       = 0
	offsetArchitecture = 4
)

// program is the filter: a call of the list waits to be answered, all others
// are let through.
func program(numbers []int) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	result := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	equal := func(value uint32, then, otherwise uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: then, Jf: otherwise}
	}
	// A call by another architecture's numbers means something else.
	text := []unix.SockFilter{
		load(offsetArchitecture), equal(architecture, 1, 0), result(unix.SECCOMP_RET_ALLOW), load(offsetNumber),
	}
	for _, number := range numbers {
		text = append(text, equal(uint32(number), 0, 1), result(unix.SECCOMP_RET_USER_NOTIF))
	}
	return append(text, result(unix.SECCOMP_RET_ALLOW))
}

// restrict puts the filter on the calling thread and returns the descriptor
// that its calls are answered through.
func restrict() (int, error) {
	text := program(slices.Sorted(maps.Keys(calls)))
	prog := unix.SockFprog{Len: uint16(len(text)), Filter: &text[0]}
	// A call that is being looked at can be interrupted by a fatal signal only,
	// so that none is counted twice because the Go runtime preempts a thread.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, fmt.Errorf("put a seccomp filter on a program (Linux 5.19 and root are needed): %w", errno)
	}
	return int(fd), nil
}
