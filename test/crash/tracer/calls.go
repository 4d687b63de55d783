package tracer

import (
	"maps"
	"strings"

	"golang.org/x/sys/unix"
)

// call is what is known of one system call.
type call struct {
	name string
	// path is the index of the argument that is a path; -1 for none.
	path int
	// changes says whether a call with these arguments changes the world; nil
	// for one that always does.
	changes func(*look) bool
}

// calls are those that wait to be answered, by number.
var calls = merge(legacy, map[int]call{
	unix.SYS_MOUNT:         {name: "mount", path: 1},
	unix.SYS_UMOUNT2:       {name: "umount2", path: 0},
	unix.SYS_MOVE_MOUNT:    {name: "move_mount", path: 3},
	unix.SYS_PIVOT_ROOT:    {name: "pivot_root", path: 0},
	unix.SYS_OPEN_TREE:     {name: "open_tree", path: 1, changes: flag(2, unix.OPEN_TREE_CLONE)},
	unix.SYS_FSCONFIG:      {name: "fsconfig", path: -1, changes: func(l *look) bool { return l.args[1] >= unix.FSCONFIG_CMD_CREATE }},
	unix.SYS_FSMOUNT:       {name: "fsmount", path: -1},
	unix.SYS_MOUNT_SETATTR: {name: "mount_setattr", path: 1},
	unix.SYS_SETNS:         {name: "setns", path: -1},
	unix.SYS_UNSHARE:       {name: "unshare", path: -1, changes: flag(0, unix.CLONE_NEWNS)},
	unix.SYS_IOCTL:         {name: "ioctl", path: -1, changes: storageIoctl},
	unix.SYS_QUOTACTL_FD:   {name: "quotactl_fd", path: -1, changes: func(l *look) bool { return l.args[1]>>8 == setQuota }},

	unix.SYS_MKDIRAT:         {name: "mkdirat", path: 1},
	unix.SYS_MKNODAT:         {name: "mknodat", path: 1},
	unix.SYS_SYMLINKAT:       {name: "symlinkat", path: 2},
	unix.SYS_LINKAT:          {name: "linkat", path: 3},
	unix.SYS_RENAMEAT:        {name: "renameat", path: 3},
	unix.SYS_RENAMEAT2:       {name: "renameat2", path: 3},
	unix.SYS_UNLINKAT:        {name: "unlinkat", path: 1},
	unix.SYS_OPENAT:          {name: "openat", path: 1, changes: func(l *look) bool { return writes(l.args[2]) }},
	unix.SYS_OPENAT2:         {name: "openat2", path: 1, changes: func(l *look) bool { return writes(l.word(l.args[2])) }},
	unix.SYS_FTRUNCATE:       {name: "ftruncate", path: -1},
	unix.SYS_TRUNCATE:        {name: "truncate", path: 0},
	unix.SYS_FCHMOD:          {name: "fchmod", path: -1},
	unix.SYS_FCHMODAT:        {name: "fchmodat", path: 1},
	unix.SYS_FCHOWN:          {name: "fchown", path: -1},
	unix.SYS_FCHOWNAT:        {name: "fchownat", path: 1},
	unix.SYS_UTIMENSAT:       {name: "utimensat", path: 1},
	unix.SYS_SETXATTR:        {name: "setxattr", path: 0},
	unix.SYS_LSETXATTR:       {name: "lsetxattr", path: 0},
	unix.SYS_FSETXATTR:       {name: "fsetxattr", path: -1},
	unix.SYS_FALLOCATE:       {name: "fallocate", path: -1},
	unix.SYS_FSYNC:           {name: "fsync", path: -1},
	unix.SYS_FDATASYNC:       {name: "fdatasync", path: -1},
	unix.SYS_SYNCFS:          {name: "syncfs", path: -1},
	unix.SYS_WRITE:           {name: "write", path: -1, changes: toFile},
	unix.SYS_PWRITE64:        {name: "pwrite64", path: -1, changes: toFile},
	unix.SYS_WRITEV:          {name: "writev", path: -1, changes: toFile},
	unix.SYS_SENDFILE:        {name: "sendfile", path: -1, changes: toFile},
	unix.SYS_COPY_FILE_RANGE: {name: "copy_file_range", path: -1},

	unix.SYS_CLONE:             {name: "clone", path: -1, changes: func(l *look) bool { return l.args[0]&unix.CLONE_THREAD == 0 }},
	unix.SYS_CLONE3:            {name: "clone3", path: -1, changes: func(l *look) bool { return l.word(l.args[0])&unix.CLONE_THREAD == 0 }},
	unix.SYS_KILL:              {name: "kill", path: -1},
	unix.SYS_PIDFD_SEND_SIGNAL: {name: "pidfd_send_signal", path: -1},
})

func merge(lists ...map[int]call) map[int]call {
	all := map[int]call{}
	for _, m := range lists {
		maps.Copy(all, m)
	}
	return all
}

// flag is for calls that change something only with a flag in that argument.
func flag(argument int, bit uint64) func(*look) bool {
	return func(l *look) bool { return l.args[argument]&bit != 0 }
}

// writes reports whether open(2) with these flags is for writing, or may make a
// file.
func writes(flags uint64) bool {
	return flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_CREAT|unix.O_TRUNC) != 0
}

// setQuota is Q_SETQUOTA (linux/quota.h).
const setQuota = 0x800008

// storageIoctl picks the requests of loop devices, of btrfs, and those that change a
// file's attributes out of all others: their types are 'L', 0x94 and 'X' (ioctl(2),
// linux/loop.h, linux/btrfs.h, linux/fs.h).
func storageIoctl(l *look) bool {
	request := l.args[1]
	switch request >> 8 & 0xff {
	case 'L':
		return request != unix.LOOP_GET_STATUS64
	case 0x94, 'X':
		return request>>30&1 != 0 // _IOC_WRITE: it tells the kernel something
	}
	return false
}

// toFile picks writes to files out of those to pipes, sockets and terminals.
func toFile(l *look) bool {
	return strings.HasPrefix(l.file(l.args[0]), "/") && !strings.HasPrefix(l.file(l.args[0]), "/dev/")
}
