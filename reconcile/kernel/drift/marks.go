package drift

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
)

// marks hears by fanotify: one group with a mark on each namespace. An event
// tells the unique number of the mount that came or went. A mark does not keep
// its namespace.
type marks struct {
	group int
	pins  map[string]string // of sessions
	owner map[uint64]string // sessions by the numbers of their mounts
}

// changes are what a group is told of.
const changes = unix.FAN_MNT_ATTACH | unix.FAN_MNT_DETACH

func newMarks() (*marks, error) {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_MNT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE|unix.FAN_UNLIMITED_MARKS, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	m := &marks{group: group, pins: map[string]string{}, owner: map[uint64]string{}}
	if err := m.mark("/proc/self/ns/mnt"); err != nil {
		return nil, errors.Join(err, unix.Close(group))
	}
	return m, nil
}

func (m *marks) mark(namespace string) error {
	if err := unix.FanotifyMark(m.group, unix.FAN_MARK_ADD|unix.FAN_MARK_MNTNS, changes, unix.AT_FDCWD, namespace); err != nil {
		return fmt.Errorf("mark namespace %s: %w", namespace, err)
	}
	return nil
}

func (m *marks) watch(session, pin string) error {
	if err := m.mark(pin); err != nil {
		return err
	}
	m.pins[session] = pin
	return m.number(session)
}

// number notes the numbers of a session's mounts.
func (m *marks) number(session string) error {
	namespace, err := os.Open(m.pins[session])
	if err != nil {
		return err
	}
	defer namespace.Close()
	return enter.Do(namespace, func(t enter.Thread) error {
		table, err := mounttable.Inside(t)
		if err != nil {
			return err
		}
		for _, e := range table {
			var st unix.Statx_t
			if unix.Statx(unix.AT_FDCWD, e.Mountpoint, unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID_UNIQUE, &st) == nil {
				m.owner[st.Mnt_id] = session
			}
		}
		return nil
	})
}

func (m *marks) forget(session string) {
	delete(m.pins, session) // the mark went with the namespace
	for id, name := range m.owner {
		if name == session {
			delete(m.owner, id)
		}
	}
}

func (m *marks) listen(stop int, host func(change), session func(string)) error {
	buffer := make([]byte, 64<<10)
	for {
		fds := []unix.PollFd{{Fd: int32(stop), Events: unix.POLLIN}, {Fd: int32(m.group), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if fds[0].Revents != 0 {
			return nil
		}
		time.Sleep(gathering)
		onHost, err := m.read(buffer, session)
		if err != nil {
			return err
		}
		if onHost.all || len(onHost.came)+len(onHost.went) > 0 {
			host(onHost)
		}
	}
}

// read takes all events that there are. It returns those that were not of a
// session's namespace, as far as that is known.
func (m *marks) read(buffer []byte, session func(string)) (onHost change, err error) {
	told := map[string]bool{}
	for {
		n, err := unix.Read(m.group, buffer)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return onHost, fmt.Errorf("read mount events: %w", err)
		}
		for _, e := range parse(buffer[:n]) {
			name, known := m.owner[e.mount]
			if !known && e.attached && !isHosts(e.mount) {
				name, known = m.find(e.mount)
			}
			switch {
			case known:
				told[name] = true
			case e.lost:
				onHost.all = true
			case e.attached:
				onHost.came = append(onHost.came, e.mount)
			default:
				onHost.went = append(onHost.went, e.mount)
			}
		}
	}
	for name := range told {
		_ = m.number(name) // it may be gone, which the host's events tell
		session(name)
	}
	return onHost, nil
}

// isHosts reports whether a mount is one of the host's.
func isHosts(mount uint64) bool {
	_, err := mounttable.Point(mount)
	return err == nil
}

// find looks for the session whose namespace a new mount is in. One that has
// gone again by now is nobody's, and no drift. Linux 6.18 does not let
// statmount(2) look for it in another namespace, so each is entered in turn.
func (m *marks) find(mount uint64) (string, bool) {
	for session := range m.pins {
		if m.number(session) == nil && m.owner[mount] == session {
			return session, true
		}
	}
	return "", false
}

func (m *marks) close() error { return unix.Close(m.group) }

// event is a mount that came or went.
type event struct {
	mount    uint64
	attached bool
	lost     bool // the kernel could not keep all that happened
}

// parse reads fanotify's events: a struct fanotify_event_metadata each, followed
// by records, of which struct fanotify_event_info_mnt is the one of interest.
func parse(data []byte) []event {
	const metadata, header, infoMnt = 24, 4, 7
	var events []event
	for len(data) >= metadata {
		length := int(binary.NativeEndian.Uint32(data))
		if length < metadata || length > len(data) {
			break
		}
		mask := binary.NativeEndian.Uint64(data[8:])
		if mask&unix.FAN_Q_OVERFLOW != 0 {
			events = append(events, event{lost: true})
		}
		for info := data[metadata:length]; len(info) >= header+8; {
			size := int(binary.NativeEndian.Uint16(info[2:]))
			if size < header || size > len(info) {
				break
			}
			if info[0] == infoMnt && size >= header+8 {
				id := info[size-8 : size] // behind padding, if there is any
				events = append(events, event{mount: binary.NativeEndian.Uint64(id), attached: mask&unix.FAN_MNT_ATTACH != 0})
			}
			info = info[size:]
		}
		data = data[length:]
	}
	return events
}
