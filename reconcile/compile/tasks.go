package compile

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// defaultTimeout ends a hook whose record does not say when.
const defaultTimeout = time.Minute

// tasks adds what is done to a root once it is there: files, then databases,
// which may replace files, then hooks, which find both.
func (c *compiler) tasks(p spec.ProfileSpec) {
	if c.record.Session.Session.OpenSource {
		p.CopyFiles, p.NSSDatabases = nil, nil // see shown
	}
	for _, path := range p.CopyFiles {
		path = filepath.Clean(path)
		c.add(object.GroupTask, "1-file"+path, object.File{Source: path, Target: path})
	}
	for _, database := range p.NSSDatabases {
		c.add(object.GroupTask, "2-database/"+database, object.File{Database: database, Target: "/etc/" + database})
	}
	for i, h := range sorted(p.Hooks) {
		c.add(object.GroupTask, fmt.Sprintf("3-hook/%03d-%s", i, h.Name), c.hook(h))
	}
}

// shown returns a profile's mounts for a session that opens its chroot's source.
// A copied file would stay in the source, so it is shown in its place instead;
// databases are the source's own, for what is installed in it changes them.
func shown(p spec.ProfileSpec) []spec.Mount {
	mounts := slices.Clone(p.Mounts)
	for _, path := range p.CopyFiles {
		path = filepath.Clean(path)
		if !slices.ContainsFunc(mounts, func(m spec.Mount) bool { return filepath.Clean(m.Target) == path }) {
			mounts = append(mounts, spec.Mount{Type: spec.MountBind, Source: path, Target: path, Options: []string{"ro"}, Optional: true})
		}
	}
	return mounts
}

// sorted returns hooks in the order in which they run: by their order, then as
// written.
func sorted(hooks []spec.Hook) []spec.Hook {
	list := slices.Clone(hooks)
	slices.SortStableFunc(list, func(a, b spec.Hook) int { return cmp.Compare(a.Order, b.Order) })
	return list
}

func (c *compiler) hook(h spec.Hook) object.Hook {
	made := object.Hook{
		Name:    h.Name,
		Phase:   string(cmp.Or(h.Phase, spec.HookSetup)),
		Command: h.Command,
		Undo:    h.Undo,
		Inside:  h.Place == spec.HookInSession,
		Timeout: defaultTimeout,
		Env:     c.environment(),
	}
	if h.Timeout != nil {
		made.Timeout = h.Timeout.Duration
	}
	if h.File != "" {
		made.Command = []string{h.File, made.Phase}
		if made.Phase == string(spec.HookSetup) {
			made.Undo = []string{h.File, string(spec.HookStop)}
		}
		if h.Interface == spec.InterfaceSchroot {
			c.asSchroot(&made, h.File)
		}
	}
	return made
}

// environment is what a hook is told about the session beside its paths.
func (c *compiler) environment() []string {
	s := c.record.Session
	env := []string{
		"COPPICE_CHROOT=" + s.ChrootName,
		"COPPICE_PROFILE=" + s.ProfileName,
		uidVariable + c.record.UID,
	}
	if s.Session.OpenSource {
		env = append(env, "COPPICE_SOURCE=true")
	}
	if s.Session.Expose != spec.ExposeNone {
		env = append(env, "COPPICE_ROOT="+c.layout.View(s.Name))
	}
	told := maps.Clone(s.Chroot.HookEnvironment)
	if told == nil {
		told = map[string]string{}
	}
	maps.Copy(told, s.Session.HookEnvironment)
	for _, name := range slices.Sorted(maps.Keys(told)) {
		env = append(env, name+"="+told[name])
	}
	return env
}
