package drift

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
)

// marks hears by fanotify: one group with a mark on each namespace. An event
// tells the unique number of the mount that came or went. A mark does not keep
// its namespace.
type marks struct {
	group    int
	sessions map[string]*marked
	owner    map[uint64]string // sessions by the numbers of their mounts
	// told are the sessions that were told of lately.
	told map[string]time.Time
}

// marked is a session's namespace.
type marked struct {
	pin string
	// space is how the kernel is asked about it; nil if it has to be entered for that.
	space   *mounttable.Space
	numbers []uint64 // of its mounts
}

// changes are what a group is told of.
const changes = unix.FAN_MNT_ATTACH | unix.FAN_MNT_DETACH

func newMarks() (*marks, error) {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_MNT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE|unix.FAN_UNLIMITED_MARKS, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	m := &marks{group: group, sessions: map[string]*marked{}, owner: map[uint64]string{}, told: map[string]time.Time{}}
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
	m.sessions[session] = &marked{pin: pin}
	return m.number(session)
}

// number notes the numbers of a session's mounts. What was noted before stays: that it
// went may still be told.
func (m *marks) number(session string) error {
	s, known := m.sessions[session]
	if !known {
		return os.ErrNotExist
	}
	numbers, err := s.find()
	for _, id := range numbers {
		if m.owner[id] != session {
			m.owner[id] = session
			s.numbers = append(s.numbers, id)
		}
	}
	return err
}

// find looks for the numbers of a session's mounts.
func (s *marked) find() ([]uint64, error) {
	if s.space != nil {
		if numbers, err := s.space.Numbers(); err == nil {
			return numbers, nil
		}
	}
	namespace, err := os.Open(s.pin)
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	if space, err := mounttable.SpaceOf(namespace); err == nil {
		if numbers, err := space.Numbers(); err == nil {
			s.space = space
			return numbers, nil
		}
	}
	return inside(namespace)
}

// inside is find for a kernel that tells of the caller's namespace alone.
func inside(namespace *os.File) (numbers []uint64, err error) {
	err = enter.Do(namespace, func(t enter.Thread) error {
		table, err := mounttable.Inside(t)
		if err != nil {
			return err
		}
		for _, e := range table {
			var st unix.Statx_t
			if unix.Statx(unix.AT_FDCWD, e.Mountpoint, unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID_UNIQUE, &st) == nil {
				numbers = append(numbers, st.Mnt_id)
			}
		}
		return nil
	})
	return numbers, err
}

func (m *marks) forget(session string) {
	s, known := m.sessions[session]
	if !known {
		return
	}
	delete(m.sessions, session) // the mark went with the namespace
	delete(m.told, session)
	for _, id := range s.numbers {
		if m.owner[id] == session {
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
	touched := map[string]bool{}
	var went []uint64 // of those
	lost := false
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
				lost = lost || !known
			}
			switch {
			case known && !e.attached:
				went = append(went, e.mount)
				fallthrough
			case known:
				touched[name] = true
			case e.lost:
				onHost.all = true
			case e.attached:
				onHost.came = append(onHost.came, e.mount)
			default:
				onHost.went = append(onHost.went, e.mount)
			}
		}
	}
	m.tell(touched, went, lost, session)
	return onHost, nil
}

// lately is for how long a session that was told of may be the one in which a mount
// came and went before anybody could see where that was: it was put right, and somebody
// took that away again at once.
const lately = 2 * time.Second

// tell tells of the sessions whose mounts came or went; lost is set if one came and
// went of which nobody knows where.
func (m *marks) tell(touched map[string]bool, went []uint64, lost bool, session func(string)) {
	now := time.Now()
	for name, at := range m.told {
		if now.Sub(at) > lately {
			delete(m.told, name)
		} else if lost && !touched[name] {
			session(name)
		}
	}
	for _, id := range went {
		m.drop(id)
	}
	for name := range touched {
		_ = m.number(name) // it may be gone, which the host's events tell
		if m.sessions[name] != nil {
			m.told[name] = now
		}
		session(name)
	}
}

// drop forgets the number of a mount that went; what was only moved is found again.
func (m *marks) drop(mount uint64) {
	if s := m.sessions[m.owner[mount]]; s != nil {
		s.numbers = slices.DeleteFunc(s.numbers, func(id uint64) bool { return id == mount })
	}
	delete(m.owner, mount)
}

// isHosts reports whether a mount is one of the host's.
func isHosts(mount uint64) bool {
	_, err := mounttable.Point(mount)
	return err == nil
}

// find looks for the session whose namespace a new mount is in. One that has
// gone again by now is nobody's.
func (m *marks) find(mount uint64) (string, bool) {
	for name, s := range m.sessions {
		is, err := false, error(nil)
		if s.space != nil {
			is, err = s.space.Has(mount)
		}
		if s.space == nil || is || err != nil {
			if m.number(name) == nil && m.owner[mount] == name {
				return name, true
			}
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
