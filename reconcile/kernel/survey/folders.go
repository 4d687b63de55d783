package survey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/quota"
)

// scarce is how much of a file system is free, in percent, when that is worth a note.
const scarce = 10

func (m Machine) folders() []Finding {
	all := []Finding{m.folder("state folder", m.Layout.State, stateOn), m.uppers(), m.folder("run-time folder", m.Layout.Run, runOn)}
	for _, path := range m.Manifests {
		all = append(all, m.folder("manifests", path, trusted))
	}
	return all
}

// uppers says how a limit of what a session writes on disk is kept, which depends on the
// file system of the state folder.
func (m Machine) uppers() Finding {
	f := Finding{Area: areaFolders, What: "limits of uppers", Level: Good, Found: "by project quotas"}
	at := filepath.Join(m.Root, m.Layout.State)
	for !isThere(at) && at != "/" && at != m.Root {
		at = filepath.Dir(at)
	}
	switch offered, why := quota.Offers(at); {
	case m.UpperImages:
		f.Found = "by an image for each session, as coppiced was told (--upper-images)"
	case !offered:
		f.Found = "by an image for each session, since " + why
	}
	return f
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// on is what is known of a folder and of its file system.
type on struct {
	magic          int64 // of the file system (statfs(2))
	blocks, inodes [2]uint64
	uid            uint32
	mode           fs.FileMode
}

// folder looks at a folder, or, if it is not there yet, at what it would be made in.
func (m Machine) folder(what, path string, judge func(on) (Level, string)) Finding {
	f := Finding{Area: areaFolders, What: what, Level: Good, Found: path}
	at := filepath.Join(m.Root, path)
	for {
		info, err := os.Stat(at)
		if err == nil {
			if !info.IsDir() {
				return f.but(Bad, at+" is no folder; move it away")
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == "/" || at == m.Root {
			return f.but(Bad, fmt.Sprintf("it cannot be looked at: %v", err))
		}
		f.Found = path + ", not there yet"
		at = filepath.Dir(at)
	}
	where, err := look(at)
	if err != nil {
		return f.but(Bad, fmt.Sprintf("its file system does not answer: %v", err))
	}
	f.Level, f.Advice = judge(where)
	return f
}

func look(path string) (on, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return on{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return on{}, err
	}
	var owner unix.Stat_t
	if err := unix.Stat(path, &owner); err != nil {
		return on{}, err
	}
	return on{st.Type, [2]uint64{st.Bavail, st.Blocks}, [2]uint64{st.Ffree, st.Files}, owner.Uid, info.Mode()}, nil
}

// stateOn judges where sessions' own layers lie (an overlay's upper: the kernel's
// Documentation/filesystems/overlayfs.rst).
func stateOn(o on) (Level, string) {
	switch o.magic {
	case unix.OVERLAYFS_SUPER_MAGIC:
		return Bad, "it lies on an overlay, on which no session can have a layer of its own: mount another file system there (in a container, a volume), or use union.upper.medium: Memory"
	case unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return Bad, "it lies on a network file system or on FUSE, on which no session can have a layer of its own: mount a local one there"
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return Worth, "it lies in memory: no session outlives a reboot"
	}
	return free(o)
}

// runOn judges where pins and statuses lie.
func runOn(o on) (Level, string) {
	if o.magic != unix.TMPFS_MAGIC && o.magic != unix.RAMFS_MAGIC {
		return Worth, "it does not lie in memory (tmpfs): what is in it outlives a reboot, and is swept then"
	}
	return free(o)
}

func free(o on) (Level, string) {
	for _, part := range []struct {
		what string
		of   [2]uint64
	}{{"space", o.blocks}, {"inodes", o.inodes}} {
		if part.of[1] > 0 && part.of[0]*100/part.of[1] < scarce {
			return Worth, fmt.Sprintf("of its file system's %s less than %d%% is free", part.what, scarce)
		}
	}
	return Good, ""
}

// trusted judges whether what is written in a folder is obeyed.
func trusted(o on) (Level, string) {
	switch {
	case o.uid != 0:
		return Bad, fmt.Sprintf("it belongs to user %d, who could have anything run as root, and is not read: chown root", o.uid)
	case o.mode&0o022 != 0:
		return Bad, "others than its owner may write to it, and so could have anything run as root; it is not read: chmod go-w"
	}
	return Good, ""
}
