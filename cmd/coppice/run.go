package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/manifests"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// ending is how long it is waited for a session of run to go.
const ending = time.Minute

// runOptions are the flags of run.
type runOptions struct {
	name, profile string
	keep          bool
	timeout       time.Duration
}

func newRun(c *cli) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run CHROOT|FOLDER [-- COMMAND...]",
		Short: "Run a command in a session of its own, and leave nothing behind",
		Long: `Run a command in a session that begins and ends with it; a shell if none is
given. The session grows from the chroot of that name, or from a folder of the
host, whose path begins with a slash: "/" is the host itself. The exit code is
the command's; see exec for the others.`,
		Example: `  coppice run bookworm -- make
  coppice run / -- apt-get install -y hello`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 {
				return usagef("of which chroot? Try %s CHROOT -- COMMAND", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: c.completeFirst(spec.KindChroot),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), o, args[0], args[1:])
		},
	}
	cmd.Flags().StringVar(&o.name, "name", "", "the session's name (default run- and a random number)")
	cmd.Flags().StringVar(&o.profile, "profile", "", "a profile to use instead of the chroot's")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the session when the command has ended")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long to wait until the session is ready")
	return cmd
}

func (c *cli) run(ctx context.Context, o runOptions, chroot string, command []string) error {
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
	result := c.inside(ctx, o, ref, command)
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
		ObjectMeta: metav1.ObjectMeta{Name: cmp.Or(o.name, "run-"+random())},
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

func random() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// inside waits until the session is ready and runs the command in it.
func (c *cli) inside(ctx context.Context, o runOptions, ref reference, command []string) error {
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

// progress returns what tells people what is waited for, on a terminal, and ends
// the wait when only they can help.
func (c *cli) progress(ref reference) func(*status.File) error {
	last := ""
	shown := term.IsTerminal(int(os.Stderr.Fd()))
	return func(f *status.File) error {
		if f == nil {
			return nil
		}
		if f.IsTrue(status.ConditionStalled) {
			return fmt.Errorf("%s: %s", ref, why(f.Status))
		}
		text := why(f.Status)
		if f.Status.Step != nil {
			text = doing(*f.Status.Step)
		}
		if shown && text != last {
			fmt.Fprintf(c.errOut, "%s: %s\n", ref, text)
			last = text
		}
		return nil
	}
}
