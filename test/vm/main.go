// Command vm runs programs and the tests in a virtual machine with Debian 12 and
// its own kernel, 6.1, which has device-mapper and lacks much of what newer
// kernels have.
//
//	vm image                   make the image, if it is not there
//	vm test PACKAGES...        run the tests of packages; without any, of all that depend on the kernel
//	vm powercut -n 20          cut the power under load that often, and reboot
//	vm crash -most 10          kill the daemon at its system calls, for the kinds that need this kernel
//	vm package                 install, use, upgrade and remove the packages, with systemd and a reboot
//	vm docs FILES...           run the commands of documents, on a system of their own
//	vm run PROGRAM ARGS...     run a program as root; its output and exit code come back
//	go test -exec 'go run coppice.dev/test/vm run' ./reconcile/...
//
// It never touches the host but for a cache folder and a folder for each run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"coppice.dev/test/vm/machine"
)

// commands are what the first argument may be. They return the exit code.
var commands = map[string]func(ctx context.Context, args []string) (int, error){
	"image":    imageCommand,
	"run":      runCommand,
	"test":     testCommand,
	"powercut": powercutCommand,
	"crash":    crashCommand,
	"package":  packageCommand,
	"docs":     docsCommand,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: vm image|run|test|powercut|crash|package|docs [flags] ...; `vm COMMAND -help` lists the flags")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := commands[os.Args[1]](ctx, os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
	}
	stop()
	os.Exit(code)
}

// failed is the exit code when not the program but the machine failed.
const failed = 125

// kit is what every machine is made of here.
type kit struct {
	image machine.Image
	// guest is the guest's program, built anew.
	guest string
	// module is the folder of this module.
	module string
	// work is for what is built; close removes it.
	work string
}

func newKit(ctx context.Context, fresh bool) (*kit, error) {
	if err := machine.Missing(); err != nil {
		return nil, err
	}
	image, err := machine.Ensure(ctx, fresh, say)
	if err != nil {
		return nil, err
	}
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module's folder: %w", err)
	}
	work, err := os.MkdirTemp("", "coppice-vm-")
	if err != nil {
		return nil, err
	}
	k := &kit{image: image, module: strings.TrimSpace(string(module)), work: work, guest: filepath.Join(work, "guest")}
	if err := k.build(ctx, "build", "-o", k.guest, "./test/vm/guest"); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *kit) close() { _ = os.RemoveAll(k.work) }

// build runs go in the module's folder, without cgo: the guest has other libraries.
func (k *kit) build(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = k.module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// sources are the module's files, as they are, below "src" on the job's disk.
func (k *kit) sources() (map[string]string, error) {
	entries, err := os.ReadDir(k.module)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, entry := range entries {
		if name := entry.Name(); name != ".git" && name != "bin" {
			files["src/"+name] = filepath.Join(k.module, name)
		}
	}
	return files, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "vm: "+format+"\n", args...) }

func imageCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	fresh := flags.Bool("fresh", false, "make it anew, with the newest packages")
	_ = flags.Parse(args) // ends the program
	k, err := newKit(ctx, *fresh)
	if err != nil {
		return failed, err
	}
	defer k.close()
	accel, err := machine.Accel(ctx, k.image, k.guest)
	if err != nil {
		return failed, err
	}
	say("Debian's kernel %s, by %s", k.image.Release, accel)
	return 0, nil
}

// broken says why a machine did not do its job.
func broken(err error, console string) error {
	if text, readErr := os.ReadFile(console); readErr == nil && errors.Is(err, machine.ErrEnded) {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return fmt.Errorf("%w; the console's last lines:\n%s", err, strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
	return err
}
