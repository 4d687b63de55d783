package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is the coppiced of the private folder, as often as it is started.
type daemon struct {
	host    *host
	cmd     *exec.Cmd
	ended   chan struct{}
	stopped bool // by SIGSTOP

	starts, kills, terms, stops int
	maxRSS                      int // KiB
	maxFDs                      int
}

func (d *daemon) args(more ...string) []string {
	h := d.host
	return append([]string{
		"--manifest-dir", h.path(lasting), "--manifest-dir", h.path(synced),
		"--state-dir", h.path("state"), "--run-dir", h.path("run"), "--resync", "2s",
	}, more...)
}

// up reports whether it runs and may get on.
func (d *daemon) up() bool { return d.cmd != nil && !d.stopped }

// start starts it, or lets it go on.
func (d *daemon) start() error {
	if d.cmd != nil {
		d.resume()
		return nil
	}
	log, err := os.OpenFile(d.host.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.host.bin+"/coppiced", d.args()...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start coppiced: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // by a signal, or it says so in its log
		close(ended)
	}()
	d.cmd, d.ended = cmd, ended
	d.starts++
	return nil
}

// alive wants it to run: by itself it never ends.
func (d *daemon) alive() error {
	if d.cmd == nil {
		return nil
	}
	select {
	case <-d.ended:
		d.cmd = nil
		return fmt.Errorf("coppiced ended by itself; the end of its log:\n%s", tail(d.host.path("log"), 30))
	default:
		return nil
	}
}

func (d *daemon) signal(s syscall.Signal) {
	_ = d.cmd.Process.Signal(s) // it may have ended
}

// kill ends it as a crash does.
func (d *daemon) kill() {
	if d.cmd == nil {
		return
	}
	d.signal(syscall.SIGKILL)
	<-d.ended
	d.cmd, d.stopped = nil, false
}

// terminate ends it as an administrator does.
func (d *daemon) terminate() error {
	if d.cmd == nil {
		return nil
	}
	d.resume()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(bound):
		d.kill()
		return fmt.Errorf("coppiced did not end within %s of SIGTERM", bound)
	}
	d.cmd = nil
	return nil
}

func (d *daemon) stop() {
	d.signal(syscall.SIGSTOP)
	d.stopped = true
}

func (d *daemon) resume() {
	if d.stopped {
		d.signal(syscall.SIGCONT)
		d.stopped = false
	}
}

// measure looks at what it uses. It returns its children that ended and that it
// has not waited for.
func (d *daemon) measure() (zombies int) {
	if d.cmd == nil {
		return 0
	}
	pid := strconv.Itoa(d.cmd.Process.Pid)
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			kib, _ := strconv.Atoi(strings.Fields(value)[0]) // the kernel writes numbers
			d.maxRSS = max(d.maxRSS, kib)
		}
	}
	if fds, err := os.ReadDir("/proc/" + pid + "/fd"); err == nil {
		d.maxFDs = max(d.maxFDs, len(fds))
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[0] == "Z" && fields[1] == pid {
			zombies++
		}
	}
	return zombies
}

// tail returns the last lines of a file.
func tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
