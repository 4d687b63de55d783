// Package parcel packs files and folders of the host into a tar stream, and
// unpacks one that comes from a session onto the host.
//
// What comes from a session is not trusted: only what was asked for is unpacked,
// and every path is resolved below the folder it goes to (os.Root), so that
// nothing outside of it is written, whatever names and links the stream holds.
// Files become the caller's. Devices, pipes and sockets are left out, setuid bits
// too.
package parcel

import (
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// Left tells that something was left out, and why; the rest goes on.
type Left func(path string, why error)

// permissions are those bits of a mode that are carried over.
const permissions = fs.ModePerm

// kindError says that something is neither a file, a folder nor a link.
type kindError fs.FileMode

func (k kindError) Error() string {
	return fmt.Sprintf("it is a %s, which is not copied", kind(fs.FileMode(k)))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// umask is what the caller does not want of modes. It can only be read by being
// set (umask(2)); nothing else makes files at the time.
var umask = sync.OnceValue(func() fs.FileMode {
	mask := unix.Umask(0o077)
	unix.Umask(mask)
	return fs.FileMode(mask) & permissions
})
