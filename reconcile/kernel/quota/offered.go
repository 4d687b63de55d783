package quota

import (
	"context"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/filling"
	"coppice.dev/reconcile/object"
)

// Offered reports whether layers in the state folder can be limited this way; if not,
// why says what it would take.
func (d *Driver) Offered() (offered bool, why string) { return Offers(d.layout.Homes()) }

// Offers reports that of the file system that a folder is on. A folder that is itself
// of a project is limited by somebody else, and what is in it stays so.
func Offers(path string) (offered bool, why string) {
	folder, err := os.Open(path)
	if err != nil {
		return false, "the state folder cannot be looked at"
	}
	defer folder.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(folder.Fd()), &st); err != nil {
		return false, "the file system of the state folder cannot be looked at"
	}
	switch {
	case st.Type != unix.EXT4_SUPER_MAGIC && st.Type != unix.XFS_SUPER_MAGIC:
		return false, "the file system of the state folder is neither ext4 nor xfs"
	case !enforced(folder):
		return false, "the file system of the state folder is not mounted with prjquota"
	case !outermost():
		return false, "coppiced runs in a user namespace, where the kernel sets no projects"
	}
	if _, inherits, err := projectOf(folder); err != nil || inherits {
		return false, "the state folder is part of a project of others"
	}
	return true, ""
}

// outermost reports whether this process is in no user namespace but the first: all
// users have their own numbers (user_namespaces(7)).
func outermost() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err != nil || len(fields) == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == "4294967295"
}

// Watch passes on the owners of layers that have filled up further, or emptied, until
// the context is done.
func (d *Driver) Watch(ctx context.Context, touch func(object.Owner)) {
	d.layers.Watch(ctx, touch, d.spaceOf)
}

func (d *Driver) spaceOf(session string) (filling.Space, bool) {
	folder, err := open(d.layout.Layer(session))
	if err != nil || folder == nil {
		return filling.Space{}, false
	}
	defer folder.Close()
	is, lost, err := look(folder)
	return filling.Space(is), err == nil && lost == ""
}

// Usage returns how much of the disk a session's layer takes, in bytes, and whether it
// has one that is counted this way.
func (d *Driver) Usage(session string) (int64, bool) {
	s, counted := d.spaceOf(session)
	return s.Used, counted
}
