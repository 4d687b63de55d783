package schrootspec

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// builtin are the scripts that come with schroot, and that Coppice does the work
// of itself.
var builtin = []string{
	"00check", "05btrfs", "05file", "05lvm", "05union", "05zfs", "10mount", "15binfmt", "15killprocs",
	"20copyfiles", "20nssdatabases", "50chrootname", "70services", "99check",
}

// Places of hooks that stand for schroot's own scripts, by the numbers of these.
const (
	orderName     = 50
	orderServices = 70
)

// chrootName writes what shells show in their prompt, as 50chrootname does.
func (p profile) chrootName() {
	p.spec.Hooks = append(p.spec.Hooks, spec.Hook{
		Name: "chrootname", Order: orderName, Place: spec.HookInSession,
		Command: []string{"/bin/sh", "-c", `echo "${CHROOT_NAME:-$COPPICE_CHROOT}" >/etc/debian_chroot`},
	})
}

// service starts and stops a service inside, as 70services does.
func (p profile) service(name string) {
	p.spec.Hooks = append(p.spec.Hooks, spec.Hook{
		Name: p.hookName("service-" + name), Order: orderServices, Place: spec.HookInSession,
		Command: []string{"/usr/sbin/invoke-rc.d", "--force", name, "start"},
		Undo:    []string{"/usr/sbin/invoke-rc.d", "--force", name, "stop"},
	})
}

// own returns the scripts that are not schroot's.
func own(scripts []string) []string {
	return slices.DeleteFunc(slices.Clone(scripts), func(file string) bool { return slices.Contains(builtin, path.Base(file)) })
}

// script runs a script of setup.d: when a session is made, when its root is made
// again, and when it goes.
func (p profile) script(file string) {
	name := path.Base(file)
	order, _ := strconv.Atoi(name[:len(name)-len(strings.TrimLeft(name, "0123456789"))])
	hook := spec.Hook{Name: p.hookName(name), File: file, Interface: spec.InterfaceSchroot, Order: order}
	again := hook
	again.Name, again.Phase = p.hookName(name+"-recover"), spec.HookRecover
	p.spec.Hooks = append(p.spec.Hooks, hook, again)
	p.note(schrootconf.Position{File: file}, "it runs with schroot's stages and variables, but for PID, AUTH_HOME and AUTH_SHELL of whoever begins a session; what it mounts below CHROOT_PATH is seen on the host alone")
}

// hookName makes a name of its own for a hook.
func (p profile) hookName(name string) string {
	taken := labels{}
	for _, h := range p.spec.Hooks {
		taken[h.Name] = true
	}
	return taken.label(name)
}
