package main

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// environment is what is kept of this process's, with what schroot says of the
// session and of whoever asks. The daemon filters it as the chroot wants.
func (f *front) environment(s selected) []string {
	var env []string
	if f.Preserve || s.Preserves() {
		env = slices.DeleteFunc(os.Environ(), func(v string) bool {
			name, _, is := strings.Cut(v, "=")
			return !is || name == "" || strings.HasPrefix(name, "SCHROOT_")
		})
	} else if term := os.Getenv("TERM"); term != "" {
		env = []string{"TERM=" + term}
	}
	uid, gid := strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	userName, groupName := uid, gid
	if u, err := user.LookupId(uid); err == nil {
		userName = u.Username
	}
	if g, err := user.LookupGroupId(gid); err == nil {
		groupName = g.Name
	}
	if len(f.Command) > 0 {
		env = append(env, "SCHROOT_COMMAND="+strings.Join(f.Command, " "))
	}
	return append(env,
		"SCHROOT_USER="+userName, "SCHROOT_GROUP="+groupName, "SCHROOT_UID="+uid, "SCHROOT_GID="+gid,
		"SCHROOT_SESSION_ID="+s.Name.Name, "SCHROOT_CHROOT_NAME="+s.Original, "SCHROOT_ALIAS_NAME="+s.Selected,
	)
}
