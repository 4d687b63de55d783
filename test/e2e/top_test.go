package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// topRow is what coppice top says of a session.
type topRow struct {
	Session   string
	Processes int
	CPU       float64 `json:"cpuPercent"`
	Memory    int64   `json:"memoryBytes"`
	Counted   bool    `json:"memoryCounted"`
	Disk      *int64  `json:"diskBytes"`
}

func (h *host) top(args ...string) map[string]topRow {
	h.t.Helper()
	var list struct{ Items []topRow }
	out := h.do(append([]string{"top", "-o", "json", "--interval", "300ms"}, args...)...)
	must(h.t, json.Unmarshal([]byte(out), &list))
	rows := map[string]topRow{}
	for _, row := range list.Items {
		rows[row.Session] = row
	}
	return rows
}

// TestTop looks at one session that is busy, one whose memory is limited, and one in which
// nobody is.
func TestTop(t *testing.T) {
	const quiet = "exec >/dev/null 2>&1 </dev/null; "
	h := newHost(t)
	h.open()
	h.start()
	root := h.furnished("root", "dd")
	h.write("a.yaml", session("busy", directory(root)))
	h.write("b.yaml", session("limited", directory(root), "limits: {memory: 64Mi}"))
	h.write("c.yaml", session("idle", directory(root)))
	h.ready("busy", "limited", "idle")
	h.exec("busy", quiet+"dd if=/dev/zero of=/file bs=1M count=3; while :; do :; done &")
	h.exec("limited", quiet+"sleep 1000 &")
	h.until("who is busy is told", func() bool { return h.top()["busy"].CPU > 20 })
	rows := h.top()
	busy, limited, idle := rows["busy"], rows["limited"], rows["idle"]
	if busy.Processes == 0 || busy.Memory == 0 || busy.Disk == nil || *busy.Disk < 3<<20 {
		t.Errorf("busy: %+v", busy)
	}
	if limited.Processes == 0 || limited.CPU > busy.CPU || !limited.Counted {
		t.Errorf("limited: %+v", limited)
	}
	if idle.Processes != 0 || idle.CPU != 0 || idle.Memory != 0 || idle.Disk == nil || *idle.Disk > 1<<20 {
		t.Errorf("idle: %+v", idle)
	}
	if out := h.do("top", "--no-headers", "--interval", "300ms"); !strings.HasPrefix(out, "busy ") {
		t.Errorf("who uses most is not first:\n%s", out)
	}
	// Anybody may look, but for what was written.
	p := h.sits(24, 80, nobody, "top", "-n", "1")
	p.sees("3 sessions by cpu: ")
	p.sees("busy ")
	if code := p.leaves(); code != 0 || strings.Contains(p.all(), "disk") {
		t.Errorf("exit code %d\n%s", code, p.all())
	}
	// A person watches, and has had enough.
	p = h.sits(24, 80, nil, "top", "--interval", "200ms")
	before := p.modes()
	p.sees("busy ")
	p.sees("\x1b[5A\r") // over what was drawn, and no more
	p.sees("busy ")
	p.types("\x03")
	if code := p.leaves(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if p.modes() != before {
		t.Error("the terminal is not what it was")
	}
	for _, m := range []string{"a.yaml", "b.yaml", "c.yaml"} {
		h.remove(m)
	}
	h.gone("busy")
	h.gone("limited")
	h.gone("idle")
	h.nothingLeft()
}
