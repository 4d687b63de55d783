package quota

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/filling"
)

// What golang.org/x/sys/unix lacks of linux/fs.h, linux/quota.h and linux/dqblk_xfs.h.
const (
	getAttributes = 0x801c581f // FS_IOC_FSGETXATTR
	setAttributes = 0x401c5820 // FS_IOC_FSSETXATTR
	inherit       = 0x00000200 // FS_XFLAG_PROJINHERIT

	getQuota = 0x800007<<8 | ofProjects // Q_GETQUOTA
	setQuota = 0x800008<<8 | ofProjects // Q_SETQUOTA
	getState = 0x5808<<8 | ofProjects   // Q_XGETQSTATV

	ofProjects = 2           // PRJQUOTA
	enforces   = 1<<4 | 1<<5 // FS_QUOTA_PDQ_ACCT, FS_QUOTA_PDQ_ENFD
)

// attributes is struct fsxattr.
type attributes struct {
	Flags, ExtentSize, Extents, Project, CopySize uint32
	_                                             [8]byte
}

// quotas is struct if_dqblk. Its limits are in units of 1024 bytes, whatever the file
// system; what is used, in bytes.
type quotas struct {
	HardBytes, SoftBytes, Used, HardFiles, SoftFiles, Files, ByteTime, FileTime uint64

	Valid uint32
	_     [4]byte
}

const (
	unit        = 1024  // QIF_DQBLKSIZE
	limitsValid = 1 | 4 // QIF_BLIMITS, QIF_ILIMITS
)

// state is struct fs_quota_statv.
type state struct {
	Version int8
	_       uint8
	Flags   uint16
	_       [156]byte
}

func call(file *os.File, command uintptr, id uint32, answer unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, file.Fd(), command, uintptr(id), uintptr(answer), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// enforced reports whether the file system that a file is on keeps the limits of
// projects.
func enforced(file *os.File) bool {
	s := state{Version: 1}
	return call(file, getState, 0, unsafe.Pointer(&s)) == nil && s.Flags&enforces == enforces
}

// account is what is known of a project: what it has used, and its hard limits. 0 is
// none.
type account filling.Space

// unused reports whether nobody uses the project, or is going to.
func (a account) unused() bool { return a == account{} }

// accountOf looks at the account of a project.
func accountOf(file *os.File, project uint32) (account, error) {
	var q quotas
	if err := call(file, getQuota, project, unsafe.Pointer(&q)); err == unix.ENOENT { //nolint:errorlint // it is what the system call said; xfs has it for a project that has nothing
		return account{}, nil
	} else if err != nil {
		return account{}, os.NewSyscallError("quotactl", err)
	}
	// Soft limits are somebody's, for we set none.
	return account{
		Used: int64(q.Used), Limit: int64(max(q.HardBytes, q.SoftBytes)) * unit,
		Files: int64(q.Files), MostFiles: int64(max(q.HardFiles, q.SoftFiles)),
	}, nil
}

// limit sets the limits of a project, in bytes and in files; 0 is none.
func limit(file *os.File, project uint32, size, files int64) error {
	q := quotas{HardBytes: uint64((size + unit - 1) / unit), HardFiles: uint64(files), Valid: limitsValid}
	return os.NewSyscallError("quotactl", call(file, setQuota, project, unsafe.Pointer(&q)))
}

// projectOf returns the project of a folder; inherits is set if what is made in the
// folder is of the same one.
func projectOf(folder *os.File) (project uint32, inherits bool, err error) {
	a, err := attributesOf(folder)
	return a.Project, a.Flags&inherit != 0, err
}

// setProject makes a folder, and what is made in it from now on, part of a project.
func setProject(folder *os.File, project uint32) error {
	a, err := attributesOf(folder)
	if err != nil {
		return err
	}
	a.Project, a.Flags = project, a.Flags|inherit
	return ioctl(folder, setAttributes, &a)
}

func attributesOf(folder *os.File) (a attributes, err error) {
	return a, ioctl(folder, getAttributes, &a)
}

func ioctl(folder *os.File, request uintptr, a *attributes) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, folder.Fd(), request, uintptr(unsafe.Pointer(a))); errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}
