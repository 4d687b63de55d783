// Command guest is the first program of the virtual machine: it makes a Debian
// of the disks it was given, runs the job's steps, tells the harness what they
// said and how they ended, and switches the machine off.
//
// It runs three times: as the initramfs's /init, which mounts the root and goes
// over to it; as process 1 there, which only reaps; and as the runner below that
// one. Where the root is a system of its own, process 1 is that system's, and the
// runner one of its services. It never decides what is run: that stands in the job.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/test/vm/wire"
)

// self is where the program is found after the change of root.
const self = wire.GuestProgram

func main() {
	var err error
	switch role := os.Args[len(os.Args)-1]; role {
	case "reaper":
		reap()
	case "runner":
		err = run()
	default:
		err = boot()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		// The port may not be there yet; the console has the words then.
		if port, portErr := openPort(); portErr == nil {
			_ = say(port, wire.Message{Failed: err.Error()})
		}
	}
	if os.Getpid() == 1 {
		off()
	}
}

// boot makes the root file system and goes on there as the reaper.
func boot() error {
	if err := mountKernels("/"); err != nil {
		return err
	}
	if err := loadModules("/modules", "/modules/order"); err != nil {
		return err
	}
	switch ofItsOwn, err := system(); {
	case err != nil:
		return err
	case ofItsOwn:
		return startSystem()
	}
	if err := makeRoot(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	return unix.Exec(self, []string{self, "reaper"}, []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=linux",
		"TMPDIR=/tmp", "USER=root", "SHELL=/bin/bash",
	})
}

// loopbackUp lets programs talk to 127.0.0.1, as everywhere (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	return nil
}

// reap starts the runner and reaps what loses its parents, until the runner ends.
func reap() {
	runner := exec.Command(self, "runner")
	runner.Stdout, runner.Stderr = os.Stdout, os.Stderr
	if err := runner.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "guest: start the runner:", err)
		return
	}
	for {
		pid, err := unix.Wait4(-1, nil, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid == runner.Process.Pid {
			return
		}
	}
}

// off switches the machine off, as a shutdown does after its last sync.
func off() {
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintln(os.Stderr, "guest: power off:", err)
	}
	for { // the harness kills what does not go
		time.Sleep(time.Hour)
	}
}
