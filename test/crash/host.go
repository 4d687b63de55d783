package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/test/crash/tracer"
)

// host is a prefix with the sources of one kind, and the daemon's folders.
type host struct {
	kind   kind
	daemon string // path of the program
	base   string
	inside *exec.Cmd // a process in the first session, if there is one
	// want is the world that a daemon which watches is ended at; "" as long as it
	// is not known.
	want string
}

func newHost(folder, daemon string, k kind) (*host, error) {
	base, err := os.MkdirTemp(folder, "coppice-crash-")
	if err != nil {
		return nil, err
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		return nil, err
	}
	h := &host{kind: k, daemon: daemon, base: base}
	for _, name := range []string{"m", "log"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o755); err != nil {
			return nil, errors.Join(err, h.remove())
		}
	}
	if err := h.script(k.prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare kind %s: %w", k.name, err), h.remove())
	}
	return h, nil
}

// remove takes away whatever is left below the prefix, and the prefix.
func (h *host) remove() error {
	h.leave()
	table, err := mounttable.Host()
	if err != nil {
		return err
	}
	for _, e := range mounttable.Below(table, h.base) {
		_ = unix.Unmount(e.Mountpoint, unix.MNT_DETACH) // some go with others
	}
	if err := h.script(h.kind.release); err != nil {
		return fmt.Errorf("give back what %s took; the folder %s is kept: %w", h.kind.name, h.base, err)
	}
	if table, err = mounttable.Host(); err != nil {
		return err
	}
	if left := mounttable.Below(table, h.base); len(left) > 0 {
		return fmt.Errorf("%s is still mounted; the folder is kept", left[0].Mountpoint)
	}
	return os.RemoveAll(h.base)
}

// group is the name of the prefix's own volume group.
func (h *host) group() string { return filepath.Base(h.base) }

// script runs a script in the prefix. It ends at the first error.
func (h *host) script(text string) error {
	cmd := exec.Command("/bin/sh", "-ec", text)
	cmd.Dir, cmd.Env = h.base, append(os.Environ(), "VG="+h.group())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// write makes the manifests say that.
func (h *host) write(text string) error {
	path := filepath.Join(h.base, "m", "all.yaml")
	if text == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(path, []byte(strings.NewReplacer("$", h.base, "@", h.group()).Replace(text)), 0o644)
}

// args is the command that converges once, unless the daemon is to watch.
func (h *host) args(watch bool) []string {
	args := []string{
		h.daemon, "--log-level", "error", "--workers", "1",
		"--manifest-dir", h.base + "/m", "--state-dir", h.base + "/state", "--run-dir", h.base + "/run",
	}
	if !watch {
		args = append(args, "--once")
	}
	return args
}

// converge lets the daemon converge undisturbed. It has to say that all is well.
func (h *host) converge(ctx context.Context) error {
	args := h.args(false)
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("coppiced --once: %w\n%s", err, out)
	}
	return nil
}

// crash lets the daemon converge, and ends it at the point.
func (h *host) crash(ctx context.Context, at tracer.Point) (tracer.Result, error) {
	var output bytes.Buffer
	p := tracer.Program{Args: h.args(false), Output: &output}
	stop := func() {}
	if h.kind.watched && h.want != "" {
		p.Args = h.args(true)
		p.Started = func(pid int) { stop = h.endWhenConverged(ctx, pid) }
	}
	result, rest, err := tracer.Run(ctx, p, at)
	stop()
	if err != nil {
		return result, fmt.Errorf("%w\n%s", err, output.String())
	}
	if result.Killed {
		// What it has started goes on while it is started again.
		go rest()
		return result, nil
	}
	rest()
	if result.Err != nil {
		return result, fmt.Errorf("coppiced: %w\n%s", result.Err, output.String())
	}
	return result, nil
}

// endWhenConverged asks a watching daemon to end when the world is as wanted.
// The function that it returns must be called when the daemon has ended.
func (h *host) endWhenConverged(ctx context.Context, pid int) (stop func()) {
	daemon, err := os.FindProcess(pid) // a handle, which stays right when the number is another's
	if err != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// What is looked at may change meanwhile: then it is looked at again.
			if got, err := h.world(); err == nil && sessions(got) == sessions(h.want) {
				_ = daemon.Signal(syscall.SIGTERM) // it may have been killed
			}
		}
	}()
	return func() { cancel(); <-done }
}

// pin returns the pin of a session's namespace; "" if it has none.
func (h *host) pin(session string) string {
	pins, err := filepath.Glob(h.base + "/run/ns/" + session + "/*")
	if err != nil || len(pins) == 0 {
		return ""
	}
	return pins[0]
}

// hurt does the kind's damage.
func (h *host) hurt() error {
	pin := h.pin(h.kind.sessions[0])
	text := strings.NewReplacer("PIN", pin, "IN ", "nsenter --mount="+pin+" /bin/busybox ").Replace(h.kind.damage)
	// A pin that is dropped takes what is done inside along.
	if drop := "umount -l " + pin; strings.Contains(text, drop) {
		text = strings.ReplaceAll(text, drop+"; ", "") + "; " + drop
		text = strings.TrimPrefix(strings.ReplaceAll(text, drop+"; "+drop, drop), drop+"; ")
	}
	return h.script(text)
}

// keep writes a file into each session, which has to survive what follows.
func (h *host) keep() error {
	for _, name := range h.kind.sessions {
		pin, err := os.Open(h.pin(name))
		if err != nil {
			return err
		}
		err = enter.Do(pin, func(enter.Thread) error { return os.WriteFile("/etc/kept", []byte(name), 0o644) })
		pin.Close()
		if err != nil {
			return fmt.Errorf("write a file in session %s: %w", name, err)
		}
	}
	return nil
}

// settle starts a process in the first session.
func (h *host) settle() error {
	if !h.kind.busy {
		return nil
	}
	pin, err := os.Open(h.pin(h.kind.sessions[0]))
	if err != nil {
		return err
	}
	defer pin.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	cmd := exec.Command("/bin/busybox", "sleep", "1000")
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = null, null, null, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := enter.Start(pin, cmd); err != nil {
		return fmt.Errorf("start a process inside: %w", err)
	}
	h.inside = cmd
	go func() { _ = cmd.Wait() }() // it ends by a signal
	return nil
}

// leave ends the process inside, if somebody else has not.
func (h *host) leave() {
	if h.inside != nil {
		_ = h.inside.Process.Kill() // it may have ended
		h.inside = nil
	}
}

// groups are the cgroups of the prefix's controller.
func (h *host) groups() []string {
	id, err := os.ReadFile(h.base + "/state/id")
	if err != nil {
		return nil
	}
	var found []string
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		_ = filepath.WalkDir(root+"/coppice-"+strings.TrimSpace(string(id)), func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				found = append(found, path)
			}
			return nil
		})
	}
	slices.Sort(found)
	return found
}
