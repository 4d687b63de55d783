package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"
)

// heir is a process that ends a session when this one is gone without a word:
// killed, it could not do so itself.
type heir struct {
	word io.WriteCloser
	cmd  *exec.Cmd
}

// appoint starts an heir. Without one the session only lacks that safety.
func (c *cli) appoint(ref reference) *heir {
	cmd := exec.Command("/proc/self/exe", "--run-dir", c.runDir, "end", "--"+flagInherited, ref.name)
	cmd.Dir = "/"
	// What is sent to the group of this process, as by Ctrl-C, is not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	word, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	return &heir{word, cmd}
}

// dismiss says the word: there is nothing to be done.
func (h *heir) dismiss() {
	if h == nil {
		return
	}
	_, _ = h.word.Write([]byte("."))
	h.word.Close()
	_ = h.cmd.Wait()
}

// flagInherited is the flag, for nobody to type, that makes end an heir.
const flagInherited = "when-alone"

// alone waits until the other end of standard input is closed, and reports
// whether it went without a word.
func alone() bool {
	n, _ := os.Stdin.Read(make([]byte, 1))
	return n == 0
}
