package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// deaf reports whether a daemon is at work that has no socket. Root then enters
// sessions without being let in.
func (c *cli) deaf() bool {
	_, running, err := presence.Look(c.runDir)
	_, missing := os.Stat(filepath.Join(c.runDir, wire.SocketName))
	return err == nil && running && errors.Is(missing, fs.ErrNotExist) && os.Geteuid() == 0
}

// plain reports whether nothing is wanted that only the daemon can do.
func (o *insideOptions) plain() bool {
	return o.user == "" && o.folder == "" && o.shell == "" && !o.preserve && !o.terminal && !o.noTerminal
}

// execDirect becomes the command; it returns only if that fails.
func (c *cli) execDirect(ref reference, args []string) error {
	if os.Geteuid() != 0 {
		return notRun(errors.New("only root may run commands in sessions so far; try it with sudo"))
	}
	facts, running, err := presence.Look(c.runDir)
	if err != nil {
		return notRun(fmt.Errorf("look for the controller: %w", err))
	}
	if !running {
		return notRun(fmt.Errorf("coppiced is not running on %s, so nobody knows whether %s is whole; start it first", c.runDir, ref))
	}
	file, err := c.one(ref)
	if err != nil {
		return notRun(err)
	}
	if condition(file.Status, status.ConditionReady).Status != metav1.ConditionTrue {
		return notRun(fmt.Errorf("%s is not ready: %s; wait for it with coppice wait %s", ref, why(file.Status), ref))
	}
	if file.Status.Namespace == "" {
		return notRun(fmt.Errorf("the status of %s names no namespace; see coppice describe %s", ref, ref))
	}
	admitted, err := admission(layout.Layout{State: facts.StateDir, Run: c.runDir}, ref.name)
	if err != nil {
		return notRun(err)
	}
	if len(args) == 0 {
		args = []string{shell(admitted)}
	}
	command := enter.Command{
		Args: append(append([]string(nil), admitted.Chroot.CommandPrefix...), args...),
		Env:  environment(admitted, os.Getenv),
	}
	if cwd, err := os.Getwd(); err == nil {
		command.Folders = append(command.Folders, cwd)
	}
	command.Folders = append(command.Folders, rootHome)
	if err := join(file.Status); err != nil {
		return notRun(fmt.Errorf("join %s: %w", ref, err))
	}
	err = enter.Exec(file.Status.Namespace, command)
	switch {
	case errors.Is(err, enter.ErrNotFound), errors.Is(err, unix.ENOENT):
		return &codeError{127, fmt.Errorf("in %s: %w", ref, err)}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR):
		return &codeError{126, fmt.Errorf("in %s: %w", ref, err)}
	}
	return notRun(fmt.Errorf("enter %s: %w", ref, err))
}

// admission reads what a session was admitted with.
func admission(l layout.Layout, session string) (spec.Admitted, error) {
	text, err := os.ReadFile(l.Record(session))
	if errors.Is(err, fs.ErrNotExist) {
		return spec.Admitted{}, fmt.Errorf("session %s is just going, or just being made", session)
	}
	if err != nil {
		return spec.Admitted{}, err
	}
	var home object.Home
	if err := json.Unmarshal(text, &home); err != nil {
		return spec.Admitted{}, fmt.Errorf("read record of session %s: %w", session, err)
	}
	record, err := compile.Decode(home.Admitted)
	return record.Session, err
}

// join moves this process into the session's cgroup, so that all that the
// command starts is known to be inside, whatever it does to its process group.
// Where the machine has no cgroup v2 the session has none.
func join(s status.Status) error {
	for _, o := range s.Objects {
		if o.Kind == string(object.KindProcesses) && o.Owner == "" && o.Name != "" {
			// "0" is whoever writes it (cgroups(7)).
			return os.WriteFile(filepath.Join(o.Name, "cgroup.procs"), []byte("0"), 0)
		}
	}
	return nil
}

// runDirect is run without a socket.
func (c *cli) runDirect(ctx context.Context, o runOptions, chroot string, command []string) error {
	if os.Geteuid() != 0 {
		return notRun(errors.New("only root may run commands in sessions so far; try it with sudo"))
	}
	if _, running, err := presence.Look(c.runDir); err != nil || !running {
		return notRun(errors.Join(err, c.absent()))
	}
	s := o.session(chroot)
	ref := reference{nounOf(spec.KindSession), s.Name}
	if problems := spec.Validate(s); len(problems) > 0 {
		return usagef("%s", problems[0])
	}
	if there, err := c.peek(ref); err != nil || there != nil {
		return notRun(errors.Join(err, fmt.Errorf("there is a %s already; choose another --name", ref)))
	}
	text, err := yaml.Marshal(s)
	if err != nil {
		return notRun(err)
	}
	if _, err := manifests.Drop(c.ephemeral(), manifests.Key{Kind: spec.KindSession, Name: s.Name}, text); err != nil {
		return notRun(err)
	}
	result := c.insideDirect(ctx, o, ref, command)
	if o.keep {
		fmt.Fprintf(c.errOut, "coppice: kept %s; end it with coppice delete %s\n", ref, ref)
		return result
	}
	// Whatever ended the command, the session goes.
	if err := c.deleteQuietly(context.WithoutCancel(ctx), ref, ending); err != nil {
		fmt.Fprintln(c.errOut, "coppice: "+err.Error())
	}
	return result
}

// session returns what is to be asked for.
func (o runOptions) session(chroot string) *spec.Session {
	s := &spec.Session{
		TypeMeta:   metav1.TypeMeta{APIVersion: spec.APIVersion, Kind: spec.KindSession},
		ObjectMeta: metav1.ObjectMeta{Name: o.name},
		Spec:       spec.SessionSpec{ChrootRef: &spec.Reference{Name: chroot}},
	}
	if filepath.IsAbs(chroot) {
		s.Spec.ChrootRef = nil
		s.Spec.Chroot = &spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: chroot}}}
	}
	if o.profile != "" {
		s.Spec.ProfileRef = &spec.Reference{Name: o.profile}
	}
	spec.Default(s)
	return s
}

// insideDirect waits until the session is ready and runs the command in it.
func (c *cli) insideDirect(ctx context.Context, o runOptions, ref reference, command []string) error {
	ready := goal{condition: status.ConditionReady, value: string(metav1.ConditionTrue)}
	if err := c.waitFor(ctx, ref, ready, o.timeout, c.progress(ref)); err != nil {
		if _, interrupted := errors.AsType[*codeError](err); interrupted {
			return err
		}
		return notRun(err)
	}
	self, err := os.Executable()
	if err != nil {
		return notRun(err)
	}
	// A terminal sends its signals to both processes, others to this one only.
	passed := []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		passed = append(passed, os.Interrupt)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, passed...)
	defer signal.Stop(signals)
	// Another process becomes the command, since this one has to outlive it.
	cmd := exec.Command(self, append([]string{"--run-dir", c.runDir, "exec", ref.name, "--"}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return notRun(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s) // it may just have ended
			if !o.keep {
				// What does not heed the signal ends with its session.
				if err := c.withdraw(ref); err != nil {
					fmt.Fprintln(c.errOut, "coppice: "+err.Error())
				}
			}
		case err := <-ended:
			return outcome(err)
		}
	}
}

// outcome turns how a command ended into how this one ends.
func outcome(err error) error {
	failed, is := errors.AsType[*exec.ExitError](err)
	if !is {
		return err
	}
	if how, ok := failed.Sys().(syscall.WaitStatus); ok && how.Signaled() {
		return &codeError{code: 128 + int(how.Signal())}
	}
	return &codeError{code: failed.ExitCode()}
}
