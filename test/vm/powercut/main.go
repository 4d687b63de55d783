// Command powercut runs in the virtual machine and knows what must outlast it:
// sessions of every kind on a disk that is kept.
//
//	powercut prepare   makes the sources on the empty disk
//	powercut load      has sessions come, be written to, and go, until it is killed
//	powercut verify    lets coppiced see to things once, and compares
//	powercut end       deletes everything, and wants nothing to be left
//
// What it did it says in lines, each only when it is safe on the disk; the one who
// cuts the power is the witness and brings the lines back to verify.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/test/built"
)

// The places in the guest. What is below runFolder goes with the power.
const (
	kept      = "/kept"
	runFolder = "/run/coppice"
	device    = "/dev/disk/by-id/virtio-kept"
)

// patience is the most that anything may take.
var patience = built.Moment(2 * time.Minute)

func main() {
	bin := flag.String("bin", "", "the folder of coppice and coppiced")
	told := flag.String("told", "", "what was said before, for verify")
	length := flag.Duration("for", 0, "how long load goes on, and then ends in order; 0 is until it is killed")
	flag.Parse()
	h := host{bin: *bin}
	err := h.mount()
	if err == nil {
		switch flag.Arg(0) {
		case "prepare":
			err = h.prepare()
		case "load":
			err = h.load(*told, *length)
		case "verify":
			err = h.verify(*told)
		case "end":
			err = h.end()
		default:
			err = errors.New("what? prepare, load, verify or end")
		}
	}
	if err != nil {
		fmt.Println("powercut:", err)
		os.Exit(1)
	}
}

// host is the guest, seen from inside.
type host struct{ bin string }

// mount mounts the disk, and the pool on it, if they are not.
func (h host) mount() error {
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return err
	}
	for _, m := range []struct{ image, at string }{{device, kept}, {kept + "/pool.img", kept + "/pool"}} {
		if _, err := os.Stat(m.image); err != nil {
			continue
		}
		if exec.Command("mountpoint", "-q", m.at).Run() == nil {
			continue
		}
		if _, err := h.shell("mount " + m.image + " " + m.at); err != nil {
			return err
		}
	}
	return h.attach()
}

// attach attaches the images that stand for disks, and activates what is on them.
func (h host) attach() error {
	_, err := h.shell("cd " + kept + `
attached() { losetup --noheadings --output NAME --associated $1; }
if [ -e device.ext4 ] && [ -z "$(attached device.ext4)" ]; then ln -sfn $(losetup --find --show device.ext4) device; fi
if [ -e lvm.img ] && [ -z "$(attached lvm.img)" ]; then losetup --find lvm.img; vgchange -qay kept; fi`)
	return err
}

func (h host) prepare() error {
	scripts := []string{"cd " + kept, common}
	for _, k := range kinds {
		scripts = append(scripts, k.prepare)
	}
	_, err := h.shell(strings.Join(scripts, "\n") + "\nsync")
	return err
}

// shell runs a script to its first error.
func (h host) shell(script string) (string, error) {
	out, err := exec.Command("/bin/bash", "-ec", script).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", script, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// daemon is coppiced on the kept disk.
func (h host) daemon(args ...string) *exec.Cmd {
	return exec.Command(h.bin+"/coppiced", append([]string{
		"--manifest-dir", kept + "/m", "--state-dir", kept + "/state", "--run-dir", runFolder, "--max-prune", "-1",
	}, args...)...)
}

// coppice runs the command.
func (h host) coppice(args ...string) error {
	out, err := exec.Command(h.bin+"/coppice", append([]string{"--run-dir", runFolder}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("coppice %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// sweep is what an administrator does after a start: see to things once.
func (h host) sweep() error {
	began := time.Now()
	sweep := h.daemon("--once")
	var words strings.Builder
	sweep.Stdout, sweep.Stderr = &words, &words
	if err := sweep.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(patience, func() { _ = sweep.Process.Signal(unix.SIGQUIT) })
	defer late.Stop()
	if err := sweep.Wait(); err != nil {
		return fmt.Errorf("coppiced --once: %w\n%s", err, words.String())
	}
	fmt.Printf("# coppiced --once took %v\n", time.Since(began).Round(10*time.Millisecond))
	return nil
}
