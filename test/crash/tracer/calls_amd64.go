package tracer

import "golang.org/x/sys/unix"

// legacy are calls that newer architectures no longer have.
var legacy = map[int]call{
	unix.SYS_MKDIR:   {name: "mkdir", path: 0},
	unix.SYS_MKNOD:   {name: "mknod", path: 0},
	unix.SYS_RMDIR:   {name: "rmdir", path: 0},
	unix.SYS_SYMLINK: {name: "symlink", path: 1},
	unix.SYS_LINK:    {name: "link", path: 1},
	unix.SYS_RENAME:  {name: "rename", path: 1},
	unix.SYS_UNLINK:  {name: "unlink", path: 0},
	unix.SYS_CREAT:   {name: "creat", path: 0},
	unix.SYS_OPEN:    {name: "open", path: 0, changes: func(l *look) bool { return writes(l.args[1]) }},
	unix.SYS_CHMOD:   {name: "chmod", path: 0},
	unix.SYS_CHOWN:   {name: "chown", path: 0},
	unix.SYS_LCHOWN:  {name: "lchown", path: 0},
	unix.SYS_FORK:    {name: "fork", path: -1},
	unix.SYS_VFORK:   {name: "vfork", path: -1},
}

// architecture is what seccomp(2) calls this machine.
const architecture = unix.AUDIT_ARCH_X86_64
