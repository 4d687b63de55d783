package keeper

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget does away with what this process has inherited from the daemon and
// would hand on: limits, dispositions of signals, its place with the OOM killer.
func forget() error {
	ownLimits()
	// Where it may not, the command stays what the daemon is.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	for signal := 1; signal <= 64; signal++ {
		if err := heed(signal); err != nil {
			return fmt.Errorf("heed signal %d: %w", signal, err)
		}
	}
	return nil
}

// action is the kernel's struct sigaction: handler, flags, restorer, mask.
type action [4]uintptr

const (
	ignored = 1 // SIG_IGN
	setSize = 8 // of a set of signals, in bytes
)

// heed stops ignoring a signal. What is ignored stays so across an exec(2), and
// a command that never hears of Ctrl-C is no good.
func heed(signal int) error {
	if signal == int(unix.SIGKILL) || signal == int(unix.SIGSTOP) {
		return nil
	}
	var now action
	if err := sigaction(signal, nil, &now); err != nil || now[0] != ignored {
		return err
	}
	return sigaction(signal, &action{}, nil)
}

func sigaction(signal int, set, get *action) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), setSize, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// plain makes this thread what a command may expect: nothing blocked, nothing
// hidden in new files, no privileges but those that come with the user, and the
// execution domain that was asked for.
func plain(o Order) error {
	unix.Umask(0o022)                             // the thread's own, since it shares no attributes
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0) // the thread's, too
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return fmt.Errorf("unblock signals: %w", err)
	}
	if err := modest(); err != nil {
		return err
	}
	// What the daemon has in its keyring is not for the command. A kernel may
	// have none.
	_, _ = unix.KeyctlJoinSessionKeyring("")
	domain, err := personality(o.Personality)
	if err != nil || domain < 0 {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(domain), 0, 0); errno != 0 {
		return fmt.Errorf("set personality %s: %w", o.Personality, errno)
	}
	return nil
}

// modest empties what would give the command privileges that its user and its
// programs have not: inheritable and ambient capabilities, and the bits that
// keep a change of user from taking any.
func modest() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&head, &sets[0]); err != nil {
		return fmt.Errorf("look at capabilities: %w", err)
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	if err := unix.Capset(&head, &sets[0]); err != nil {
		return fmt.Errorf("clear inheritable capabilities: %w", err)
	}
	if bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); err == nil && bits == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("clear secure bits: %w", err)
	}
	return nil
}

// The execution domains of personality(2).
const (
	perLinux   = 0x0000
	perLinux32 = 0x0008
)

// personality returns the number of an execution domain, -1 for none.
func personality(name string) (int, error) {
	switch name {
	case "", "undefined":
		return -1, nil
	case "linux", "linux64", "x86_64", "aarch64":
		return perLinux, nil
	case "linux32", "i386", "i686", "arm", "armv7l":
		return perLinux32, nil
	}
	return -1, invalid("there is no personality called %q", name)
}
