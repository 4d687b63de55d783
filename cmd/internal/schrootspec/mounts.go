package schrootspec

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// shown are folders of the host that a session has of its own instead.
var shown = map[string]spec.MountType{
	"/proc": spec.MountProc, "/sys": spec.MountSysfs, "/dev": spec.MountDev, "/dev/pts": spec.MountDevpts, "/dev/shm": spec.MountShm,
}

// fileSystems are those that can be mounted inside.
var fileSystems = map[string]spec.MountType{
	"proc": spec.MountProc, "sysfs": spec.MountSysfs, "devpts": spec.MountDevpts, "tmpfs": spec.MountTmpfs, "devtmpfs": spec.MountDev,
}

// without are options that say nothing to a mount inside a session: they are for
// mount -a, or what is done anyway.
var without = []string{"defaults", "rw", "bind", "auto", "noauto", "user", "nouser", "users", "_netdev", "async", "private", "rprivate"}

// mount adds a line of fstab.
func (p profile) mount(m schrootconf.Mount) {
	target := path.Clean("/" + m.Target)
	made := spec.Mount{Target: target}
	recursive := slices.Contains(m.Options, "rbind")
	own, is := shown[path.Clean(m.Source)]
	switch {
	case (recursive || slices.Contains(m.Options, "bind")) && is && path.Clean(m.Source) == target:
		made.Type = own
		if target == "/dev" {
			p.note(m.At, "%s is not the host's but one of the session's own, with the usual devices; for others add binds", target)
		}
	case recursive || slices.Contains(m.Options, "bind"):
		made.Type, made.Source = spec.MountBind, path.Clean(m.Source)
	case fileSystems[m.Type] != "":
		made.Type = fileSystems[m.Type]
		if target == "/dev/shm" && m.Type == "tmpfs" {
			made.Type = spec.MountShm
		}
	default:
		p.note(m.At, "%s on %s, of type %s: only binds and file systems without a device are mounted inside; mount it on the host and bind it", m.Source, target, m.Type)
		return
	}
	for _, o := range m.Options {
		p.option(m, &made, o)
	}
	p.addMount(m.At, made)
}

// option adds an option of a line of fstab, as far as a mount has it.
func (p profile) option(m schrootconf.Mount, made *spec.Mount, o string) {
	size, sized := strings.CutPrefix(o, "size=")
	switch {
	case slices.Contains(without, o) || strings.HasPrefix(o, "x-") || strings.HasPrefix(o, "comment="):
		return
	case o == "rbind" && made.Type != spec.MountBind:
		return
	case o == "nofail" && made.Type == spec.MountBind:
		made.Optional = true
		return
	case sized:
		if q, err := resource.ParseQuantity(binary(size)); err == nil {
			made.Size = &q
			return
		}
	}
	candidate := *made
	candidate.Options = append(slices.Clone(made.Options), o)
	if why := refusal(spec.ProfileSpec{Mounts: []spec.Mount{candidate}}); why != "" {
		p.note(m.At, "option %s of %s: %s", o, m.Target, why)
		return
	}
	made.Options = candidate.Options
}

// binary turns a size of a tmpfs into one of a manifest: 1g is 1Gi.
func binary(size string) string {
	if size == "" || !strings.ContainsAny(size[len(size)-1:], "kKmMgG") {
		return size
	}
	return size[:len(size)-1] + strings.ToUpper(size[len(size)-1:]) + "i"
}

// addMount adds a mount, in the place of one with the same target: of two of
// schroot's the later hides the earlier.
func (p profile) addMount(at schrootconf.Position, m spec.Mount) {
	if why := refusal(spec.ProfileSpec{Mounts: []spec.Mount{m}}); why != "" {
		p.note(at, "%s on %s: %s", m.Source, m.Target, why)
		return
	}
	i := slices.IndexFunc(p.spec.Mounts, func(o spec.Mount) bool { return o.Target == m.Target })
	if i < 0 {
		p.spec.Mounts = append(p.spec.Mounts, m)
		return
	}
	p.note(at, "%s: it hides what was mounted there before, which is left out", m.Target)
	p.spec.Mounts[i] = m
}
