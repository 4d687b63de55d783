package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"coppice.dev/cmd/internal/attach"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// spot is a path on the host, or in a session.
type spot struct {
	session string // empty for the host
	path    string
}

func (p spot) String() string {
	if p.session == "" {
		return p.path
	}
	return p.session + ":" + p.path
}

// parseSpot reads "SESSION:PATH"; what has a slash before the first colon, or no
// colon, is on the host. A path in a session begins at its root.
func parseSpot(arg string) (spot, error) {
	session, inside, found := strings.Cut(arg, ":")
	if !found || strings.Contains(session, "/") {
		if arg == "" {
			return spot{}, usagef("a path is empty")
		}
		return spot{path: arg}, nil
	}
	if session == "" || inside == "" {
		return spot{}, usagef("%q: want SESSION:PATH; a file of the host whose name has a colon is ./%s", arg, arg)
	}
	return spot{session, inside}, nil
}

// absolute returns the clean path inside, and whether it was said to be a folder
// (by a slash at its end), or to stand for what is in it ("/.").
func (p spot) absolute() (clean string, folder, contents bool) {
	return path.Join("/", p.path), strings.HasSuffix(p.path, "/"), isContents(p.path)
}

func isContents(name string) bool { return name == "." || strings.HasSuffix(name, "/.") }

// copying is one copy, and what was left out of it.
type copying struct {
	*cli
	user   string
	failed bool
}

func newCp(c *cli) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "cp SOURCE... SESSION:PATH | SESSION:PATH... DESTINATION",
		Short: "Copy files and folders into a session, or out of one",
		Long: `Copy files and folders into a session, or out of one, as the user that exec would
run commands as. As with cp(1), what is copied to a folder that is there goes into
it; otherwise the destination is its new name. SOURCE/. is what is in a folder.
A path inside begins at the session's root.

Folders are copied with all that is in them; links as links. The files belong to
who copies, with the modes they had but for setuid and setgid. Devices, pipes and
sockets are left out. The session's tar is used; where it has none, files are
copied one by one, but no folders. Whatever the session sends, nothing is written
outside of the destination.`,
		Example: `  coppice cp ./source build-1:/build
  coppice cp build-1:/build/result.deb .
  coppice cp build-1:/var/log/. ./logs`,
		ValidArgsFunction: c.completePlaces,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("from where to where? Try %s FILE SESSION:PATH, or SESSION:PATH FILE", cmd.CommandPath())
			}
			places := make([]spot, len(args))
			for i, arg := range args {
				p, err := parseSpot(arg)
				if err != nil {
					return err
				}
				places[i] = p
			}
			job := &copying{cli: c, user: user}
			return job.all(cmd.Context(), places[:len(places)-1], places[len(places)-1])
		},
	}
	cmd.Flags().StringVarP(&user, "user", "u", "", "who to be inside, by name (default yourself, or the session's user)")
	return cmd
}

// all copies each source.
func (j *copying) all(ctx context.Context, sources []spot, to spot) error {
	for _, from := range sources {
		switch {
		case from.session != "" && to.session != "":
			return usagef("from %s to %s: one of them must be on the host", from, to)
		case from.session == "" && to.session == "":
			return usagef("from %s to %s: neither is in a session; write SESSION:PATH", from, to)
		}
	}
	for _, from := range sources {
		copyOne := j.in
		if from.session != "" {
			copyOne = j.out
		}
		if err := copyOne(ctx, from, to, len(sources) > 1); err != nil {
			if _, is := errors.AsType[*codeError](err); is {
				return err
			}
			return fmt.Errorf("copy %s to %s: %w", from, to, j.explainOf(err, sessionReference(cmp.Or(from.session, to.session))))
		}
	}
	if j.failed {
		return &codeError{code: exitFailure} // all of it has been said
	}
	return nil
}

// left tells of what was left out.
func (j *copying) left(name string, why error) {
	j.failed = true
	fmt.Fprintf(j.errOut, "coppice: left out %q: %v\n", name, why)
}

// errNoProgram says that a root has not the program that is needed.
var errNoProgram = errors.New("there is no such program inside")

// call runs a program inside, with files of this process, and returns its code.
// A nil file is nothing.
func (j *copying) call(ctx context.Context, session string, in, out *os.File, args ...string) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	std := [3]*os.File{in, out, os.Stderr}
	for i, file := range std {
		if file == nil {
			std[i] = null
		}
	}
	request := wire.Exec{Args: args, User: j.user, Folder: "/"}
	exited, err := j.attach(ctx, session, request, attach.Options{Std: std, Ways: attach.Decide(attach.Kinds(std), attach.Never, false)})
	failed, is := errors.AsType[*attach.FailedError](err)
	switch {
	case is && failed.Failed.NotFound:
		return 127, errNoProgram
	case err != nil:
		return 0, err
	case exited.Signal == int(unix.SIGINT), exited.Signal == int(unix.SIGTERM), exited.Signal == int(unix.SIGHUP):
		return 0, &codeError{code: exited.Code} // whoever did it knows
	}
	return exited.Code, nil
}

// completePlaces offers sessions; the shell itself offers files.
func (c *cli) completePlaces(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(typed, "/") || strings.Contains(typed, ":") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var words []string
	for _, name := range c.names(nounOf(spec.KindSession)) {
		if strings.HasPrefix(name, typed) {
			words = append(words, name+":")
		}
	}
	if len(words) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return words, cobra.ShellCompDirectiveNoSpace
}
