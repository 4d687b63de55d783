package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"coppice.dev/test/vm/wire"
)

// Run is what one machine is to do, and with what.
type Run struct {
	Image Image
	// Guest is the program of test/vm/guest, built without cgo.
	Guest string
	Job   wire.Job
	// Files are put on the job's disk: their names there, and where they are.
	Files map[string]string
	// Disks are files that outlast the machine, by their serial numbers.
	Disks map[string]string
	// System is a disk with a whole system (EnsureSystem), on which what is done
	// stays. Its own init is started, and the job is one of its services. Empty for
	// the image's root, with the guest's program as the first process.
	System string
	// CPUs and Megabytes are the machine's; 2 and 2048 if zero.
	CPUs, Megabytes int
	// ScratchMegabytes is the size of the disk on /tmp; 8192 if zero.
	ScratchMegabytes int
	// Said is called with each message, in order.
	Said func(wire.Message)
	// Console is where the kernel's words are kept; nowhere if empty.
	Console string
	// Accel is how the processor is made: AccelKVM or AccelTCG; the better that
	// works if empty.
	Accel string
}

// ErrEnded is returned when the machine ended before its job was done.
var ErrEnded = errors.New("the machine ended before its job was done")

// Do starts the machine and returns when it has switched itself off or the
// context is done, by which it is killed as by a power cut.
func (r Run) Do(ctx context.Context) error {
	work, err := os.MkdirTemp("", "coppice-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if r.Accel == "" {
		if r.Accel, err = Accel(ctx, r.Image, r.Guest); err != nil {
			return err
		}
	}
	disks := map[string]string{}
	if disks[wire.DiskJob], err = pack(ctx, work, r.Job, r.Files); err != nil {
		return fmt.Errorf("pack the job: %w", err)
	}
	if r.System == "" {
		disks[wire.DiskRoot] = r.Image.root()
		if disks[wire.DiskScratch], err = scratch(ctx, work, or(r.ScratchMegabytes, 8192)); err != nil {
			return fmt.Errorf("make the scratch disk: %w", err)
		}
	}
	if err := r.initramfs(work); err != nil {
		return err
	}
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", r.args(work, disks)...)
	cmd.ExtraFiles = []*os.File{theirs}
	var words strings.Builder
	cmd.Stdout, cmd.Stderr = &words, &words
	ended := make(chan error, 1)
	go func() {
		// The machine goes when its starter goes, which the kernel takes to be a thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := cmd.Start()
		theirs.Close()
		if err == nil {
			err = cmd.Wait()
		}
		ended <- err
	}()
	finished, failed := r.listen(ours)
	err = <-ended
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("run qemu-system-x86_64: %w\n%s", err, words.String())
	case failed != "":
		return fmt.Errorf("%w: %s", ErrEnded, failed)
	case !finished:
		return ErrEnded
	}
	return nil
}

// listen passes on what the guest says until the port is closed.
func (r Run) listen(port io.Reader) (finished bool, failed string) {
	decoder := json.NewDecoder(port)
	for {
		var message wire.Message
		if err := decoder.Decode(&message); err != nil {
			return finished, failed
		}
		finished = finished || message.End
		if message.Failed != "" {
			failed = message.Failed
		}
		if r.Said != nil {
			r.Said(message)
		}
	}
}

// initramfs is the image's with the guest's program.
func (r Run) initramfs(work string) error {
	archive, err := os.ReadFile(r.Image.initramfs())
	if err != nil {
		return err
	}
	var c cpio
	if err := c.file("init", r.Guest, modeProgram); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(work, "initramfs"), append(archive, c.bytes()...), 0o600)
}

// args are those of qemu.
func (r Run) args(work string, disks map[string]string) []string {
	console := "null"
	if r.Console != "" {
		console = "file:" + r.Console
	}
	accel := r.Accel
	if accel == AccelTCG {
		accel = "tcg,thread=multi,tb-size=512"
	}
	args := []string{
		"-accel", accel, "-cpu", "max", "-M", "q35", "-smp", strconv.Itoa(or(r.CPUs, 2)), "-m", fmt.Sprintf("%dM", or(r.Megabytes, 2048)),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", r.Image.vmlinux(), "-initrd", filepath.Join(work, "initramfs"),
		"-append", "console=ttyS0 panic=-1 quiet mitigations=off no_timer_check tsc=reliable random.trust_cpu=1" + r.ofSystem(),
		"-serial", console,
		"-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
		"-chardev", "socket,id=port,fd=3", "-device", "virtserialport,chardev=port,name=" + wire.Port,
	}
	add := func(serial, file, options string) {
		args = append(args,
			"-drive", fmt.Sprintf("if=none,id=%s,format=raw,file=%s,%s", serial, strings.ReplaceAll(file, ",", ",,"), options),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%[1]s,serial=%[1]s", serial))
	}
	add(wire.DiskJob, disks[wire.DiskJob], "readonly=on")
	if r.System == "" {
		add(wire.DiskRoot, disks[wire.DiskRoot], "readonly=on")
		add(wire.DiskScratch, disks[wire.DiskScratch], "cache=unsafe,discard=unmap")
	} else {
		add(wire.DiskSystem, r.System, "cache=unsafe,discard=unmap")
	}
	for serial, file := range r.Disks {
		add(serial, file, "cache=writeback,discard=unmap")
	}
	return args
}

// ofSystem is what the kernel and systemd are told in order to start a system.
func (r Run) ofSystem() string {
	if r.System == "" {
		return ""
	}
	return " " + wire.SystemMark + " systemd.unit=coppice-job.target systemd.show_status=false systemd.firstboot=no"
}

// pair is a connection whose other end is for the machine.
func pair() (ours, theirs *os.File, err error) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the machine: %w", err)
	}
	return os.NewFile(uintptr(ends[0]), "port"), os.NewFile(uintptr(ends[1]), "port"), nil
}

func or(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}
