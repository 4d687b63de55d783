package hook

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/kernel/journal"
)

// patience is how long the kernel may take to end a process.
const patience = 10 * time.Second

// stat is what is used of proc_pid_stat(5).
type stat struct {
	session int    // of processes, setsid(2): the number of the one that began it
	start   uint64 // ticks since the boot
}

func statOf(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The second field is a name in brackets, which may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("read /proc/%d/stat: only %d fields", pid, len(fields))
	}
	session, err := strconv.Atoi(fields[3])
	if err != nil {
		return stat{}, err
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	return stat{session, start}, err
}

// identify names a process, so that no other is taken for it later.
func identify(pid int) (journal.Process, error) {
	s, err := statOf(pid)
	if err != nil {
		return journal.Process{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return journal.Process{PID: pid, Start: s.start, Boot: strings.TrimSpace(string(boot))}, err
}

// endLeft ends a hook's process and its children, on machines without cgroup v2.
// They are known by their session of processes. When the one that began it is
// gone, its number may have gone on to somebody else: then only those count that
// carry the session's name in their environment.
func endLeft(p journal.Process, session string) error {
	now, err := identify(os.Getpid())
	if err != nil {
		return fmt.Errorf("look at this process: %w", err)
	}
	if now.Boot != p.Boot {
		return nil
	}
	for deadline := time.Now().Add(patience); ; {
		left := members(p, session)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end a hook of session %s: processes %v do not go", session, left)
		}
		// The one that began it first, since it would go on with its script when its
		// children are gone.
		slices.SortFunc(left, func(a, b int) int { return rank(a, p.PID) - rank(b, p.PID) })
		for _, pid := range left {
			if err := kill(pid, p, session); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond) // the kernel ends them in its own time
	}
}

// rank orders a process before all others.
func rank(pid, first int) int {
	if pid == first {
		return 0
	}
	return 1
}

// kill sends KILL to a process if it is still one of the hook's.
func kill(pid int, p journal.Process, session string) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if !slices.Contains(members(p, session), pid) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// members returns those of a hook's processes that are left, the dead that nobody
// has waited for left out.
func members(p journal.Process, session string) []int {
	leader, err := statOf(p.PID)
	there := err == nil
	if there && leader.start != p.Start {
		return nil // the number is somebody else's: none of ours can be left
	}
	var found []int
	for _, pid := range holders.Pids() {
		s, err := statOf(pid)
		if err != nil || s.session != p.PID || s.start < p.Start {
			continue
		}
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || len(env) == 0 && dead(pid) {
			continue
		}
		if there || bytes.Contains(append([]byte{0}, env...), []byte("\x00COPPICE_SESSION="+session+"\x00")) {
			found = append(found, pid)
		}
	}
	return found
}

// dead reports whether a process has ended and only waits to be asked about.
func dead(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err != nil
}
