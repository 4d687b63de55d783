package compile

import (
	"path/filepath"
	"slices"
	"strings"

	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// attributes are the options that belong to the mount and not to the file
// system (mount_setattr(2)), and those that take one back.
var (
	attributes = []string{"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow"}
	negations  = map[string]string{
		"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec",
		"atime": "noatime", "diratime": "nodiratime", "symfollow": "nosymfollow",
	}
	// defaults are the attributes of a mount whose options do not say otherwise.
	defaults = map[spec.MountType][]string{
		spec.MountProc:   {"nosuid", "nodev", "noexec"},
		spec.MountSysfs:  {"nosuid", "nodev", "noexec"},
		spec.MountDev:    {"nosuid", "noexec"},
		spec.MountDevpts: {"nosuid", "noexec"},
		spec.MountShm:    {"nosuid", "nodev"},
		spec.MountTmpfs:  {"nosuid", "nodev"},
	}
	// fileSystemOptions are the file systems' own, likewise.
	fileSystemOptions = map[spec.MountType][]string{
		spec.MountDev:    {"mode=0755"},
		spec.MountDevpts: {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
		spec.MountShm:    {"mode=1777"},
		spec.MountTmpfs:  {"mode=1777"},
	}
)

// mounts adds the mounts inside the session. A mount's address ends in its
// target: a parent stands before its children, and a mount keeps its address
// when others come or go.
func (c *compiler) mounts(mounts []spec.Mount) {
	for _, m := range mounts {
		made := object.Mount{
			Type:     string(m.Type),
			Target:   filepath.Clean(m.Target),
			Optional: m.Optional,
			// Nothing is made in a source but by the commands inside.
			Untouched: c.record.Session.Session.OpenSource,
		}
		if m.Type == spec.MountBind {
			made.Source = filepath.Clean(m.Source)
		}
		if m.Size != nil {
			made.Size = m.Size.Value()
		}
		made.Flags, made.Options, made.Recursive = options(m)
		c.add(object.GroupMounts, made.Target, made)
	}
	slices.SortStableFunc(c.objects, func(a, b object.Object) int { return strings.Compare(string(a.Address), string(b.Address)) })
}

// options sorts a mount's options into attributes, options of the file system
// and the one that is neither. What is written overrides what is usual.
func options(m spec.Mount) (flags, rest []string, recursive bool) {
	flags = slices.Clone(defaults[m.Type])
	rest = slices.Clone(fileSystemOptions[m.Type])
	for _, o := range m.Options {
		switch {
		case o == "rbind":
			recursive = true
		case o == "bind":
		case slices.Contains(attributes, o):
			flags = append(flags, o)
		case negations[o] != "":
			flags = slices.DeleteFunc(flags, func(f string) bool { return f == negations[o] })
		default:
			key, _, _ := strings.Cut(o, "=")
			rest = slices.DeleteFunc(rest, func(r string) bool { return r == key || strings.HasPrefix(r, key+"=") })
			rest = append(rest, o)
		}
	}
	slices.Sort(flags)
	return slices.Compact(flags), rest, recursive
}
