package keeper

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Unlimited is the value of a resource without a limit.
const Unlimited = math.MaxUint64

// Resource is a limit of a process (getrlimit(2)): bytes, seconds or a count.
type Resource struct {
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// resources are the limits by their names in limits.conf(5), with what
// /proc/PID/limits calls them.
var resources = map[string]struct {
	number int
	called string
}{
	"as":         {unix.RLIMIT_AS, "Max address space"},
	"core":       {unix.RLIMIT_CORE, "Max core file size"},
	"cpu":        {unix.RLIMIT_CPU, "Max cpu time"},
	"data":       {unix.RLIMIT_DATA, "Max data size"},
	"fsize":      {unix.RLIMIT_FSIZE, "Max file size"},
	"locks":      {unix.RLIMIT_LOCKS, "Max file locks"},
	"memlock":    {unix.RLIMIT_MEMLOCK, "Max locked memory"},
	"msgqueue":   {unix.RLIMIT_MSGQUEUE, "Max msgqueue size"},
	"nice":       {unix.RLIMIT_NICE, "Max nice priority"},
	"nofile":     {unix.RLIMIT_NOFILE, "Max open files"},
	"nproc":      {unix.RLIMIT_NPROC, "Max processes"},
	"rss":        {unix.RLIMIT_RSS, "Max resident set"},
	"rtprio":     {unix.RLIMIT_RTPRIO, "Max realtime priority"},
	"rttime":     {unix.RLIMIT_RTTIME, "Max realtime timeout"},
	"sigpending": {unix.RLIMIT_SIGPENDING, "Max pending signals"},
	"stack":      {unix.RLIMIT_STACK, "Max stack size"},
}

// The first process of a systemd host raises two limits for itself alone; what
// it gives to others is less.
const (
	mostFilesSoft = 1024
	mostFilesHard = 512 << 10
	mostLocked    = 8 << 20
)

// hostLimits reads the limits of the host's first process, which is what people
// who log in begin with; it is the text of /proc/1/limits.
func hostLimits(text string) map[string]Resource {
	found := map[string]Resource{}
	for line := range strings.Lines(text) {
		for name, r := range resources {
			values, is := strings.CutPrefix(line, r.called+" ")
			if !is {
				continue
			}
			fields := strings.Fields(values)
			if len(fields) < 2 {
				continue
			}
			soft, err := limitOf(fields[0])
			if err != nil {
				continue
			}
			hard, err := limitOf(fields[1])
			if err != nil {
				continue
			}
			found[name] = Resource{Soft: soft, Hard: hard}
		}
	}
	if r, is := found["nofile"]; is {
		found["nofile"] = Resource{Soft: min(r.Soft, mostFilesSoft), Hard: min(r.Hard, mostFilesHard)}
	}
	if r, is := found["memlock"]; is {
		found["memlock"] = Resource{Soft: min(r.Soft, mostLocked), Hard: min(r.Hard, mostLocked)}
	}
	return found
}

func limitOf(text string) (uint64, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

// ownLimits gives this process, and so the command, the host's limits instead of
// the daemon's. One that it may not raise stays
// below.
func ownLimits() {
	text, err := os.ReadFile("/proc/1/limits")
	if err != nil {
		return
	}
	for name, r := range hostLimits(string(text)) {
		number := resources[name].number
		err := unix.Prlimit(0, number, &unix.Rlimit{Cur: r.Soft, Max: r.Hard}, nil)
		if !errors.Is(err, unix.EPERM) {
			continue
		}
		var now unix.Rlimit
		if unix.Prlimit(0, number, nil, &now) == nil {
			_ = unix.Prlimit(0, number, &unix.Rlimit{Cur: min(r.Soft, now.Max), Max: min(r.Hard, now.Max)}, nil)
		}
	}
}

// known refuses limits that there are not.
func known(wanted map[string]Resource) error {
	for name := range wanted {
		if _, is := resources[name]; !is {
			return invalid("there is no limit called %q", name)
		}
	}
	return nil
}

// limit gives a process that this thread traces, and that stops before its first
// instruction, its limits, and lets it go. Nobody can set those of a process
// before it is there, and this one's own must stay as they are.
//
// Where even root may not do that (CAP_SYS_RESOURCE), this thread becomes the
// user, who may. It ends soon.
func limit(pid int, o Order) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return status, fmt.Errorf("wait for the command to stop: %w", err)
		}
	}
	if !status.Stopped() {
		return status, nil
	}
	failed := setLimits(pid, o.Resources)
	if failed != nil && o.UID != 0 && turn(o) == nil {
		failed = setLimits(pid, o.Resources)
	}
	if failed != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, &status, unix.WALL, nil)
		return status, failed
	}
	if err := unix.PtraceDetach(pid); err != nil && !errors.Is(err, unix.ESRCH) {
		return status, fmt.Errorf("let the command go: %w", err)
	}
	return status, nil
}

func setLimits(pid int, wanted map[string]Resource) error {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		r := wanted[name]
		err := unix.Prlimit(pid, resources[name].number, &unix.Rlimit{Cur: r.Soft, Max: r.Hard}, nil)
		if errors.Is(err, unix.EPERM) {
			return invalid("cannot limit %s to %d: its hard limit is lower here, and may not be raised", name, r.Soft)
		}
		if err != nil {
			return invalid("cannot limit %s to %d: %v", name, r.Soft, err)
		}
	}
	return nil
}
