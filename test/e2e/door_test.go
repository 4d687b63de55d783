package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestSocketInTheWay starts where the socket cannot be made: sessions are kept
// all the same, people are told, and the socket is made when it can be.
func TestSocketInTheWay(t *testing.T) {
	patient(t)
	h := newHost(t)
	must(t, os.MkdirAll(h.run+"/coppiced.sock/somebodys", 0o755))
	h.start()
	h.write("a.yaml", session("s", directory(h.root("root"))))
	h.ready("s")
	tells(t, h.do("get", "manifests", "-o", "yaml"), "NoSocket", "coppiced.sock", "is no socket; take it away")
	out, code := h.try("exec", "s", "--", "echo")
	if code != 125 {
		t.Errorf("exec without a socket: exit code %d\n%s", code, out)
	}
	must(t, os.RemoveAll(h.run+"/coppiced.sock"))
	h.until("the socket is made", func() bool { _, code := h.try("exec", "s", "--", "echo"); return code == 0 })
	h.until("the trouble is over", func() bool { return !strings.Contains(h.do("get", "manifests"), "coppiced.sock") })
	// Taken away later, it is made anew.
	must(t, os.Remove(h.run+"/coppiced.sock"))
	h.until("the socket is made anew", func() bool { _, code := h.try("exec", "s", "--", "echo"); return code == 0 })
	h.remove("a.yaml")
	h.gone("s")
	h.nothingLeft()
}
