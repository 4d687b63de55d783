package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// burden is the CPU time that the daemon has used so far, on all processors. It says
// the same on a machine that is busy with other work.
func (p *place) burden() time.Duration {
	const schedule = 2 // CPUCLOCK_SCHED of linux/posix-timers.h: a clock of a whole process
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.daemon.Process.Pid)<<3|schedule, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// wakes counts how often threads of the daemon went to sleep so far, and thus were
// woken.
func (p *place) wakes() int {
	all := 0
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.daemon.Process.Pid)) // fails for a bad pattern only
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if value, is := strings.CutPrefix(line, "voluntary_ctxt_switches:"); is {
				n, _ := strconv.Atoi(strings.TrimSpace(value))
				all += n
			}
		}
	}
	return all
}
