package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/mounttable"
)

// place is a private folder with a small root file system.
type place struct {
	bin    string
	base   string
	daemon *exec.Cmd
	// resync is how often the daemon looks at everything without a cause, if not as
	// often as it does by itself, and idle for how long it is watched at doing nothing.
	resync, idle time.Duration
}

func newPlace(bin string) (*place, error) {
	// What is mounted from here on is seen nowhere else.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	base, err := os.MkdirTemp("/var/tmp", "coppice-bench-")
	if err != nil {
		return nil, err
	}
	p := &place{bin: bin, base: base}
	return p, p.root()
}

func (p *place) path(parts ...string) string {
	return filepath.Join(append([]string{p.base}, parts...)...)
}

// root makes a root file system of busybox.
func (p *place) root() error {
	return p.shell(`mkdir -p root/bin root/etc root/proc root/sys root/dev root/tmp root/home home tmp m state run floor
		cp /bin/busybox root/bin/; for tool in sh true cat ls; do ln -s busybox root/bin/$tool; done
		echo small > root/etc/motd; tar -C root -cf root.tar .`)
}

func (p *place) shell(script string) error {
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = p.base
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return nil
}

// start starts coppiced, and waits until it answers.
func (p *place) start(ctx context.Context) error {
	log, err := os.Create(p.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	words := []string{"--manifest-dir", p.path("m"), "--state-dir", p.path("state"), "--run-dir", p.path("run"), "--max-prune", "-1"}
	if p.resync > 0 {
		words = append(words, "--resync", p.resync.String())
	}
	p.daemon = exec.Command(p.bin+"/coppiced", words...)
	p.daemon.Stderr = log
	p.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.daemon.Start(); err != nil {
		return fmt.Errorf("start coppiced: %w", err)
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if exec.CommandContext(ctx, p.bin+"/coppice", "--run-dir", p.path("run"), "get", "chroot", "bench").Run() == nil {
			return nil
		}
		if time.Now().After(limit) || ctx.Err() != nil {
			return errors.New("coppiced does not answer; see " + p.path("log"))
		}
	}
}

func (p *place) stop() {
	if p.daemon == nil || p.daemon.Process == nil {
		return
	}
	_ = p.daemon.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = p.daemon.Wait()                          // by that
	p.daemon = nil
}

// clean takes everything away. Mounts go with this process.
func (p *place) clean() {
	p.stop()
	table, err := mounttable.Host()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: the folder stays:", err)
		return
	}
	for _, e := range mounttable.Below(table, p.base) {
		if err := unix.Unmount(e.Mountpoint, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			fmt.Fprintf(os.Stderr, "bench: unmount %s: %v; the folder stays\n", e.Mountpoint, err)
			return
		}
	}
	if err := os.RemoveAll(p.base); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// command runs a program to its end; what it says is told if it fails.
func command(ctx context.Context, dir string, words ...string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = dir
	said, err := os.CreateTemp(dir, "said-") // a file, so that nobody waits for a pipe
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		text, _ := io.ReadAll(io.NewSectionReader(said, 0, 1<<16)) // as far as there is any
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(text)))
	}
	return nil
}
