package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/reconcile/kernel/meter"
	"coppice.dev/status"
)

func topRows() []topRow {
	return []topRow{
		{Session: "a", Phase: status.Ready, CPU: 12.4, Memory: 3 << 20, Counted: true, Disk: new(int64(4096)), Processes: 2, Inside: 1, Admitted: ago(time.Hour), now: now},
		{Session: "b", Phase: status.Failed, now: now},
		{Session: "c", Phase: status.Ready, CPU: 100, Memory: 1 << 20, Disk: new(int64(8192)), Processes: 9, Owner: "alice", Admitted: ago(time.Minute), now: now},
	}
}

func TestTopOrders(t *testing.T) {
	for by, want := range map[string]string{"cpu": "cab", "memory": "acb", "disk": "cab", "processes": "cab", "inside": "abc", "age": "acb", "name": "abc"} {
		rows := topRows()
		sortTop(rows, by)
		if got := rows[0].Session + rows[1].Session + rows[2].Session; got != want {
			t.Errorf("by %s: %s, want %s", by, got, want)
		}
	}
	if got := topOrders(); !slices.Contains(got, "cpu") || len(got) != 7 {
		t.Errorf("%q", got)
	}
}

func TestTopTable(t *testing.T) {
	var out strings.Builder
	if err := newTable(terminal.Output{Writer: &out}).Print(topTable(topRows(), false)...); err != nil {
		t.Fatal(err)
	}
	check(t, out.String(), `
SESSION   PHASE    CPU    MEMORY     DISK      PROCESSES   INSIDE   AGE   OWNER
a         Ready    12%    3.0 MiB    4.0 KiB   2           1        60m   -
b         Failed   0%     0 B        -         0           0        -     -
c         Ready    100%   ~1.0 MiB   8.0 KiB   9           0        60s   alice
`)
	screen := terminal.Screen{Live: true, Columns: 30, Rows: 24}
	picture := screenful(newTable(terminal.Output{}), screen, topRows(), topOptions{sortBy: "cpu"})
	for _, line := range picture {
		if terminal.Width(line) > 30 {
			t.Errorf("a line of %d columns: %s", terminal.Width(line), line)
		}
	}
	if len(picture) != 5 || !strings.HasPrefix(picture[0], "3 sessions by cpu: 11 process") {
		t.Errorf("%q", picture)
	}
}

func TestShare(t *testing.T) {
	at := func(cpu, after time.Duration) used { return used{Use: meter.Use{CPU: cpu}, at: now.Add(after)} }
	for _, row := range []struct {
		last, now used
		want      float64
	}{
		{at(time.Second, 0), at(2*time.Second, time.Second), 100},
		{at(time.Second, 0), at(2*time.Second, 4*time.Second), 25},
		{at(2*time.Second, 0), at(time.Second, time.Second), 0}, // the one that had used most has ended
		{at(0, 0), at(time.Second, 0), 0},
	} {
		if got := share(row.last, row.now); got != row.want {
			t.Errorf("%v to %v: %v, want %v", row.last, row.now, got, row.want)
		}
	}
}

// TestTopWithoutADaemon looks at statuses that one has left.
func TestTopWithoutADaemon(t *testing.T) {
	h := newHouse(t)
	if _, errOut, code := h.call("", "top"); code != 1 || !strings.Contains(errOut, "no controller works on") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	h.write(h.run+"/id", "ffffffff\n")
	h.write(h.run+"/upper/file", "text")
	h.tell("Session", "a", "", map[string]string{"team": "x"}, func(s *status.Status) {
		s.Objects = []status.Object{{Address: "3-write/upper", Kind: "Upper", Name: h.run + "/upper"}, {Owner: "base/1", Kind: "Tree", Name: "/usr"}}
	})
	h.tell("Session", "b", "", nil)
	for args, want := range map[string]string{"top": "ab", "top sessions": "ab", "top -l team=x": "a", "top b": "b", "top session/b a": "ab", "top sessions b": "b", "top -n 2 --interval 100ms b": "bb"} {
		out, errOut, code := h.call("", append(strings.Fields(args), "--sort-by", "name", "--no-headers", "--interval", "100ms")...)
		var got strings.Builder
		for line := range strings.Lines(out) {
			got.WriteString(strings.TrimSpace(line[:1]))
		}
		if code != 0 || got.String() != want || errOut != "" {
			t.Errorf("%s: exit code %d, %q\n%s%s", args, code, got.String(), out, errOut)
		}
	}
	out, _, _ := h.call("", "top", "a", "-o", "json", "--interval", "100ms")
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Items) != 1 || list.Items[0]["diskBytes"] == nil || list.Items[0]["diskBytes"].(float64) > 1<<20 || list.Items[0]["cpuPercent"] != 0.0 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, errOut, _ := h.call("", "top", "-l", "team=y", "--interval", "100ms"); out != "" || errOut != "No sessions found.\n" {
		t.Errorf("nobody: %q, %q", out, errOut)
	}
	if _, errOut, code := h.call("", "top", "aa"); code != 1 || !strings.Contains(errOut, `did you mean "a"?`) {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}
