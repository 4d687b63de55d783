package lease

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Watch tells of sessions in which a lease has begun or ended, until the context
// ends; it also hears of a cgroup that the last process has left (inotify(7)).
// touch must not block.
func (b Book) Watch(ctx context.Context, touch func(session string)) error {
	if err := os.MkdirAll(b.Folder, 0o700); err != nil {
		return fmt.Errorf("watch leases: %w", err)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch leases: %w", err)
	}
	e := &ear{book: b, fd: fd, paths: map[int32]string{}, touch: touch}
	events := os.NewFile(uintptr(fd), "inotify") // its reads end when it is closed
	defer events.Close()
	ended := context.AfterFunc(ctx, func() { events.Close() })
	defer ended()
	if err := e.all(); err != nil {
		return err
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := events.Read(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = e.hear(buffer[:n])
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch leases: %w", err)
		}
	}
}

// ear hears of leases.
type ear struct {
	book  Book
	fd    int
	paths map[int32]string // what is listened to, by the numbers of the watches
	touch func(session string)
}

// all listens to all that is there.
func (e *ear) all() error {
	if err := e.add(e.book.Folder, folders); err != nil {
		return err
	}
	sessions, err := e.book.Sessions()
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if err := e.follow(session); err != nil {
			return err
		}
	}
	return nil
}

// hear takes in events, as many as were read.
func (e *ear) hear(events []byte) error {
	for len(events) >= unix.SizeofInotifyEvent {
		watch := int32(binary.NativeEndian.Uint32(events))
		mask := binary.NativeEndian.Uint32(events[4:])
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		name := unix.ByteSliceToString(events[unix.SizeofInotifyEvent:size])
		events = events[size:]
		path, known := e.paths[watch]
		if mask&unix.IN_IGNORED != 0 {
			delete(e.paths, watch) // what was listened to is gone
		}
		if mask&unix.IN_Q_OVERFLOW != 0 { // some were lost
			if err := e.all(); err != nil {
				return err
			}
		}
		if !known || mask&unix.IN_IGNORED != 0 {
			continue
		}
		if err := e.heard(path, name, mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0); err != nil {
			return err
		}
	}
	return nil
}

// heard takes in one event: of a session's folder, of a lease's record, or of a
// cgroup.
func (e *ear) heard(path, name string, came bool) error {
	switch {
	case path == e.book.Folder && name != "":
		e.touch(name)
		if came {
			return e.follow(name)
		}
	case filepath.Dir(path) == e.book.Folder:
		id, is := strings.CutSuffix(name, ".json")
		if !is || strings.HasPrefix(name, ".") {
			return nil // a draft
		}
		e.touch(filepath.Base(path))
		if came {
			return e.attend(filepath.Base(path), id)
		}
	case filepath.Base(path) == eventsFile:
		e.touch(filepath.Base(filepath.Dir(filepath.Dir(path))))
	}
	return nil
}

// eventsFile is the file of a cgroup that changes when the first process comes or
// the last one goes (cgroups(7)).
const eventsFile = "cgroup.events"

// follow listens to a session's folder, and to the leases that are in it.
func (e *ear) follow(session string) error {
	folder := filepath.Join(e.book.Folder, session)
	if err := e.add(folder, folders); err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("watch leases: %w", err)
	}
	for _, entry := range entries {
		id, is := strings.CutSuffix(entry.Name(), ".json")
		if !is || strings.HasPrefix(id, ".") {
			continue
		}
		e.touch(session)
		if err := e.attend(session, id); err != nil {
			return err
		}
	}
	return nil
}

// attend listens to a lease's cgroup.
func (e *ear) attend(session, id string) error {
	l := e.book.lease(session, id)
	if l.Group == "" {
		return nil
	}
	return e.add(filepath.Join(l.Group, eventsFile), unix.IN_MODIFY)
}

// folders are the events of a folder that count.
const folders = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_MOVED_FROM

// add listens to a file, which may have gone again, or is not there yet: then its
// record is written once more when it is.
func (e *ear) add(path string, mask uint32) error {
	watch, err := unix.InotifyAddWatch(e.fd, path, mask)
	if err == nil {
		e.paths[int32(watch)] = path
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	return nil
}
