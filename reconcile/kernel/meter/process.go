package meter

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit that /proc counts processor time in (USER_HZ), which is the same on
// every architecture that Go knows.
const tick = time.Second / 100

// errEnded says that a process has ended.
var errEnded = errors.New("it has ended")

// process is what one uses.
type process struct {
	memory int64
	cpu    time.Duration
}

// processOf reads proc_pid_stat(5).
func processOf(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, syscall.ESRCH) {
		return process{}, errEnded // between opening and reading
	}
	if err != nil {
		return process{}, err
	}
	return parseStat(string(text))
}

// parseStat reads the line of a process. Its name is in parentheses and may hold any
// letter, parentheses too.
func parseStat(text string) (process, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	// Numbered from state, the third.
	const state, user, system, resident = 0, 11, 12, 21
	if len(fields) <= resident {
		return process{}, errEnded
	}
	if fields[state] == "Z" || fields[state] == "X" {
		return process{}, errEnded
	}
	var n [3]int64
	for i, at := range []int{user, system, resident} {
		value, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return process{}, fmt.Errorf("read the figures of a process: %w", err)
		}
		n[i] = value
	}
	return process{memory: n[2] * int64(os.Getpagesize()), cpu: time.Duration(n[0]+n[1]) * tick}, nil
}
