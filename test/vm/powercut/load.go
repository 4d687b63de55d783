package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// load has each kind's sessions come, be written to, and go, all kinds at once.
func (h host) load(told string, length time.Duration) error {
	before, err := remember(told)
	if err != nil {
		return err
	}
	daemon := h.daemon()
	log, err := os.Create(runFolder + ".log")
	if err != nil {
		return err
	}
	daemon.Stderr = log
	if err := daemon.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); h.coppice("get", "sessions") != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("coppiced does not answer: %w", h.coppice("get", "sessions"))
		}
	}
	fmt.Println("# load begins")
	stop := make(chan struct{})
	failed := make(chan error, len(kinds))
	for _, k := range kinds {
		go func() { failed <- h.churn(k, before, stop) }()
	}
	if length > 0 {
		time.AfterFunc(length, func() { close(stop) })
	}
	for range kinds {
		if err := <-failed; err != nil {
			text, _ := os.ReadFile(log.Name()) // as far as there is one
			return fmt.Errorf("%w; the daemon's log:\n%s", err, text[max(0, len(text)-4000):])
		}
	}
	if err := daemon.Process.Signal(unix.SIGTERM); err != nil {
		return err
	}
	return daemon.Wait()
}

// churn makes a session that lasts and one that does not, writes to the lasting
// ones, and deletes the oldest, over and over.
func (h host) churn(k kind, before record, stop <-chan struct{}) error {
	most := k.most
	if most == 0 {
		most = 2
	}
	alive := before.sessions(k.name)
	next := before.last(k.name) + 1
	for number := before.data; ; next++ {
		for len(alive) >= most {
			if err := h.drop(alive[0]); err != nil {
				return err
			}
			alive = alive[1:]
		}
		name := k.name + "-" + strconv.Itoa(next)
		fmt.Println("try", name)
		if err := write(kept+"/m", name, k.manifest(name, next)); err != nil {
			return err
		}
		fmt.Println("want", name)
		if most > 1 {
			if err := write(runFolder+"/manifests", "gone-"+name, k.manifest("gone-"+name, next)); err != nil {
				return err
			}
		}
		alive = append(alive, name)
		if err := h.coppice("wait", "session/"+name, "--timeout", patience.String()); err != nil {
			return err
		}
		for _, session := range alive {
			number++
			script := fmt.Sprintf("echo %d | dd of=/data.%[1]d conv=fsync 2>/dev/null", number)
			if err := h.coppice("exec", session, "--", "sh", "-c", script); err != nil {
				return err
			}
			fmt.Println("data", session, number)
		}
		if most > 1 && next%2 == 0 {
			_ = os.Remove(runFolder + "/manifests/gone-" + name + ".yaml") // after a start it is gone already
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

func (h host) drop(name string) error {
	fmt.Println("drop", name)
	if err := os.Remove(kept + "/m/" + name + ".yaml"); err != nil {
		return err
	}
	if err := syncFolder(kept + "/m"); err != nil {
		return err
	}
	fmt.Println("dropped", name)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(kept + "/state/sessions/" + name); os.IsNotExist(err) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not go", name)
		}
	}
}

func (k kind) manifest(name string, number int) string {
	chroot := strings.NewReplacer("$", kept, "#", strconv.Itoa(number%3)).Replace(k.chroot)
	return "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + "}\nspec:\n  chroot: {" + chroot + "}\n"
}

// write writes a manifest so that it is there after a power cut.
func write(folder, name, text string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	temporary := filepath.Join(folder, "."+name)
	file, err := os.Create(temporary)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(folder, name+".yaml")); err != nil {
		return err
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
