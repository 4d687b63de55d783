package main

import (
	"maps"
	"slices"

	"coppice.dev/spec"
)

// searchPath is the PATH inside, as login(1) gives it to root.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment returns the environment of a command inside, for root. It begins
// empty: what the caller has in its own is for the host, and says wrong things
// about the inside. Only the kind of terminal is handed on. What the chroot sets
// comes above that, and what the session sets above all.
func environment(admitted spec.Admitted, getenv func(string) string) []string {
	env := map[string]string{
		"PATH": searchPath, "HOME": rootHome, "USER": "root", "LOGNAME": "root",
		"SHELL": shell(admitted), "COPPICE_SESSION": admitted.Name,
	}
	if term := getenv("TERM"); term != "" {
		env["TERM"] = term
	}
	if admitted.ChrootName != "" {
		env["COPPICE_CHROOT"] = admitted.ChrootName
	}
	for _, layer := range []*spec.Environment{admitted.Chroot.Environment, admitted.Session.Environment} {
		if layer != nil {
			maps.Copy(env, layer.Set)
		}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// rootHome is where root is at home.
const rootHome = "/root"

// shell returns what runs if no command is given.
func shell(admitted spec.Admitted) string {
	if admitted.Chroot.Shell != "" {
		return admitted.Chroot.Shell
	}
	return "/bin/sh"
}
