package drift

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/kernel/enter"
)

// tables hears by polling mount tables: each open one is readable out of band
// when its namespace's mounts have changed since it was last polled.
type tables struct {
	epoll int
	files map[int]*os.File // by descriptor
	names map[int]string   // of sessions, by descriptor
	fds   map[string]int   // the reverse
	host  int
}

func newTables() (*tables, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	t := &tables{epoll: epoll, files: map[int]*os.File{}, names: map[int]string{}, fds: map[string]int{}}
	// Not by os.Open: Go's runtime would poll the file, too, and whoever polls it
	// first is told of a change, the other is not.
	const path = "/proc/self/mountinfo"
	host, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		t.host, err = t.add(os.NewFile(uintptr(host), path))
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// add polls an open mount table. It keeps the file, and the namespace with it.
func (t *tables) add(table *os.File) (int, error) {
	fd := int(table.Fd())
	t.files[fd] = table
	event := unix.EpollEvent{Events: unix.EPOLLPRI | unix.EPOLLERR, Fd: int32(fd)}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		delete(t.files, fd)
		return -1, errors.Join(fmt.Errorf("poll mount table: %w", err), table.Close())
	}
	return fd, nil
}

func (t *tables) watch(session, pin string) error {
	// Each takes an open file for good; what works on sessions needs some, too.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && uint64(len(t.files)) >= limit.Cur/2 {
		return fmt.Errorf("poll mount table of session %s: %w", session, unix.EMFILE)
	}
	namespace, err := os.Open(pin)
	if err != nil {
		return err
	}
	defer namespace.Close()
	var table *os.File
	if err := enter.Do(namespace, func(thread enter.Thread) (err error) {
		table, err = thread.Open("mountinfo")
		return err
	}); err != nil {
		return err
	}
	fd, err := t.add(table)
	if err != nil {
		return err
	}
	t.names[fd], t.fds[session] = session, fd
	return nil
}

func (t *tables) forget(session string) {
	fd, known := t.fds[session]
	if !known {
		return
	}
	_ = t.files[fd].Close() // takes it out of the poll too
	delete(t.files, fd)
	delete(t.names, fd)
	delete(t.fds, session)
}

func (t *tables) listen(stop int, host func(change), session func(string)) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLHUP, Fd: int32(stop)}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, stop, &event); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(t.epoll, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		changed := false
		for _, e := range events[:n] {
			switch fd := int(e.Fd); fd {
			case stop:
				return nil
			case t.host:
				changed = true
			default:
				if name, known := t.names[fd]; known {
					session(name)
				}
			}
		}
		if changed {
			time.Sleep(gathering)
			host(change{all: true})
		}
	}
}

func (t *tables) close() error {
	for _, f := range t.files {
		_ = f.Close() // read only
	}
	return unix.Close(t.epoll)
}
