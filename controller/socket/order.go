package socket

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// The search paths inside, as login(1) gives them.
const (
	rootPath  = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	otherPath = "/usr/local/bin:/usr/bin:/bin"
)

// usualShells are tried where the user's own is not to be had: the last is the
// one that every root has.
var usualShells = []string{"/bin/bash", "/bin/sh"}

// shells returns what is tried in order if no command is given. One that was
// asked for, or that the chroot names, or else nothing, is run.
func shells(e wire.Exec, admitted spec.Admitted, as Account) []string {
	if asked := cmp.Or(e.Shell, admitted.Chroot.Shell); asked != "" {
		return []string{asked}
	}
	switch path.Base(as.Shell) {
	case ".", "nologin", "false": // which says who may log in to the host, and a session is not the host
		return usualShells
	}
	return append([]string{as.Shell}, usualShells...)
}

// grace is the time between HUP and KILL for the command of a client who is gone,
// where the session does not say.
const grace = 5 * time.Second

// orderOf says what a keeper is to run: a plain function of what was asked for,
// what the session was admitted with, and who it runs as.
func orderOf(e wire.Exec, admitted spec.Admitted, as Account) (keeper.Order, error) {
	for _, n := range e.TTY {
		if n < 0 || n > 2 {
			return keeper.Order{}, fmt.Errorf("tty: there is no standard file %d", n)
		}
	}
	env, err := environment(e, admitted, as)
	if err != nil {
		return keeper.Order{}, err
	}
	o := keeper.Order{
		Args: slices.Concat(admitted.Chroot.CommandPrefix, e.Args), Env: env, Shells: shells(e, admitted, as),
		UID: as.UID, GID: as.GID, Groups: as.Groups, Personality: admitted.Chroot.Personality,
		Terminal: e.Terminal, TTY: e.TTY, Size: e.Size, Grace: grace,
	}
	if len(e.Args) == 0 {
		o.AsShell, o.Login = true, len(admitted.Chroot.CommandPrefix) == 0
	} else if e.Args[0] == "" {
		return keeper.Order{}, errors.New("the command has no name")
	}
	if g := admitted.Session.GracePeriod; g != nil {
		o.Grace = g.Duration
	}
	switch {
	case e.Folder != "":
		o.Folders, o.Strict = []string{e.Folder}, true
	default:
		for _, folder := range []string{e.Here, home(env), as.Home} {
			if strings.HasPrefix(folder, "/") && !slices.Contains(o.Folders, folder) {
				o.Folders = append(o.Folders, folder)
			}
		}
	}
	confine(&o, admitted.Confinement())
	o.Network = o.Network || e.Network
	return o, nil
}

// confine gives a command what its session was admitted with of namespaces and
// limits of its own. What bounds the session's processes together is set on the
// session's cgroup.
func confine(o *keeper.Order, c spec.Confinement) {
	o.Network, o.PID, o.IPC, o.NoNewPrivileges = c.Network, c.PID, c.IPC, c.NoNewPrivileges
	o.Resources = nil
	for name, r := range c.Rlimits {
		if o.Resources == nil {
			o.Resources = map[string]keeper.Resource{}
		}
		soft, hard := r.Values()
		o.Resources[name] = keeper.Resource{Soft: soft, Hard: hard}
	}
}

// home returns the home that an environment names.
func home(env []string) string {
	for _, variable := range env {
		if folder, is := strings.CutPrefix(variable, "HOME="); is {
			return folder
		}
	}
	return ""
}

// environment returns the environment of a command. It begins empty: what the
// caller has in its own is for the host, and says wrong things about the inside.
// Only the kind of terminal is handed on, or, if that is asked for, all but what
// the chroot filters; root's search path is never the caller's. What the chroot
// sets comes above that, and what the session sets above all.
func environment(e wire.Exec, admitted spec.Admitted, as Account) ([]string, error) {
	filter, err := filterOf(admitted.Chroot.Environment)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, variable := range e.Env {
		name, value, is := strings.Cut(variable, "=")
		switch {
		case !is || name == "" || strings.ContainsRune(variable, 0):
			return nil, fmt.Errorf("%.40q is no variable", variable)
		case name == "TERM", e.Preserve && !filter.MatchString(name) && (name != "PATH" || as.UID != 0):
			env[name] = value
		}
	}
	search := otherPath
	if as.UID == 0 {
		search = rootPath
	}
	for name, value := range map[string]string{
		"PATH": search, "HOME": as.Home, "USER": as.Name, "LOGNAME": as.Name,
	} {
		if _, kept := env[name]; !kept && value != "" {
			env[name] = value
		}
	}
	env["COPPICE_SESSION"] = admitted.Name
	if admitted.ChrootName != "" {
		env["COPPICE_CHROOT"] = admitted.ChrootName
	}
	for _, layer := range []*spec.Environment{admitted.Chroot.Environment, admitted.Session.Environment} {
		if layer != nil {
			maps.Copy(env, layer.Set)
		}
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list, nil
}

// nothing matches no name.
var nothing = regexp.MustCompile(`$.^`)

// filterOf returns what is not handed on. The whole name has to match.
func filterOf(e *spec.Environment) (*regexp.Regexp, error) {
	if e == nil || e.Filter == "" {
		return nothing, nil
	}
	filter, err := regexp.Compile("^(?:" + e.Filter + ")$")
	if err != nil {
		return nil, fmt.Errorf("the chroot's environment filter: %w", err)
	}
	return filter, nil
}
