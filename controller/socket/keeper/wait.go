package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// idle is what a keeper is started with that waits for an order, instead of the names
// of a session and a lease. There is room for both, which are shown once it has one.
const (
	idle  = "waits"
	space = 96
)

// wait is how a keeper spends its time that was started before it was needed: it has
// nothing but a line to the daemon, and ends with that. It returns what it is given,
// nothing if the daemon has no use for it or is gone.
func wait() (gift, error) {
	defer unix.Close(fdConn)
	warm()
	rights := make([]byte, unix.CmsgSpace(3*4))
	var word [1]byte
	for {
		n, m, _, _, err := unix.Recvmsg(fdConn, word[:], rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return gift{}, fmt.Errorf("wait for an order: %w", err)
		case n == 0:
			return gift{}, nil
		default:
			return taken(rights[:m])
		}
	}
}

// warm does once what is slow when it is done first.
func warm() {
	if order, err := json.Marshal(Order{Args: []string{"true"}, Env: []string{""}, Groups: []int{0}, Folders: []string{"/"}}); err == nil {
		_, _ = parse(order) // which is not run
	}
	if text, err := json.Marshal(frame.Frame{Started: &frame.Started{}, Exited: &frame.Exited{}}); err == nil {
		_ = json.Unmarshal(text, new(frame.Frame)) // nor is this said
	}
}

// taken takes the files out of a message.
func taken(rights []byte) (gift, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return gift{}, errors.Join(errors.New("an order came without its files"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 3 {
		return gift{}, errors.Join(errors.New("an order came without its files"), err)
	}
	return gift{fds[0], fds[1], fds[2]}, nil
}

// call has the list of processes show whose keeper this is, if it was nobody's when
// it was started. What the list shows is where the arguments were put at the start.
func call(o Order) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], idle) {
		return
	}
	shown := unsafe.Slice(unsafe.StringData(os.Args[1]), len(os.Args[1]))
	clear(shown)
	copy(shown, o.Session+"\x00"+o.Lease)
}
