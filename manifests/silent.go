package manifests

import "golang.org/x/sys/unix"

// isSilent reports whether a file system, by its number (statfs(2)), is one that other
// hosts or a program can change: inotify(7) tells only of what is done through this
// kernel.
func isSilent(number int64) bool {
	switch uint32(number) {
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		unix.CODA_SUPER_MAGIC, unix.OCFS2_SUPER_MAGIC, gfs2, lustre, hostfs:
		return true
	}
	return false
}

// Numbers that x/sys does not name: of GFS2 (linux/magic.h has none; gfs2_ondisk.h),
// of Lustre, and of the host's files in User-Mode Linux.
const (
	gfs2   = 0x01161970
	lustre = 0x0bd00bd0
	hostfs = unix.HOSTFS_SUPER_MAGIC
)
