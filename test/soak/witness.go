package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// witness is a session that nobody touches. It stands on what others share with
// it, and must not notice.
type witness struct {
	name    string
	chroot  string
	program *exec.Cmd
	ended   chan struct{}
	// namespace is the link that names the mount namespace.
	namespace string
}

func witnesses() []*witness {
	var all []*witness
	for _, c := range chroots {
		switch c.kind {
		case "directory", "memory", "tar", "squashfs", "btrfs":
			all = append(all, &witness{name: "w-" + c.kind, chroot: c.text})
		}
	}
	return all
}

// settle writes the witnesses' manifests, waits until they are ready, and leaves
// a file and a program in each.
func (s *soak) settle() error {
	var text strings.Builder
	for _, w := range s.witnesses {
		text.WriteString("---\n" + recipe{chroot: w.chroot, hope: ready, lines: []string{"profile: {mounts: [{type: tmpfs, target: /tmp}]}"}}.manifest(w.name))
	}
	if err := os.WriteFile(s.path(lasting+"/witnesses.yaml"), []byte(s.expand(text.String())), 0o644); err != nil {
		return err
	}
	if why := s.until(func() string {
		for _, w := range s.witnesses {
			if why := s.isReady(w.name); why != "" {
				return why
			}
		}
		return ""
	}); why != "" {
		return fmt.Errorf("the witnesses: %s", why)
	}
	for _, w := range s.witnesses {
		if err := s.plant(w); err != nil {
			return fmt.Errorf("witness %s: %w", w.name, err)
		}
	}
	return nil
}

// plant leaves a file and a program in a witness.
func (s *soak) plant(w *witness) error {
	w.program = exec.Command("nsenter", "--mount="+s.pin(w.name), "/bin/busybox", "sh", "-c",
		"echo "+w.name+" >/etc/witness; echo "+w.name+" >/tmp/witness; echo planted; exec busybox sleep 100000")
	w.program.Dir = "/"
	w.program.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := w.program.StdoutPipe()
	if err != nil {
		return err
	}
	if err := w.program.Start(); err != nil {
		return err
	}
	w.ended = make(chan struct{})
	if _, err := out.Read(make([]byte, 64)); err != nil {
		return fmt.Errorf("write a file inside: %w", err)
	}
	go func() {
		_ = w.program.Wait() // it ends by a signal
		close(w.ended)
	}()
	w.namespace, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", w.program.Process.Pid))
	return err
}

// testify returns what a witness has noticed.
func (s *soak) testify() []string {
	var wrong []string
	for _, w := range s.witnesses {
		if what := s.hear(w); what != "" {
			wrong = append(wrong, "witness "+w.name+": "+what)
		}
	}
	return wrong
}

func (s *soak) hear(w *witness) string {
	select {
	case <-w.ended:
		return "its program was ended"
	default:
	}
	proc := fmt.Sprintf("/proc/%d/", w.program.Process.Pid)
	for _, file := range []string{"etc/witness", "tmp/witness"} {
		if text, err := os.ReadFile(proc + "root/" + file); err != nil || strings.TrimSpace(string(text)) != w.name {
			return fmt.Sprintf("%s says %q, %v", file, text, err)
		}
	}
	pin := s.pin(w.name)
	if pin == "" {
		return "its pin is gone, or there are several"
	}
	info, err := os.Stat(pin)
	if err != nil {
		return err.Error()
	}
	if now := fmt.Sprintf("mnt:[%d]", info.Sys().(*syscall.Stat_t).Ino); now != w.namespace {
		return "it was made anew: " + filepath.Base(pin) + " is " + now + ", not " + w.namespace
	}
	return ""
}

// dismiss ends the witnesses' programs.
func (s *soak) dismiss() {
	for _, w := range s.witnesses {
		if w.ended != nil {
			_ = w.program.Process.Kill() // it may have been ended
			<-w.ended
		}
	}
}
