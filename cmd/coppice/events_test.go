package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

// happened are events, each "minutes ago, type, reason, message" and how often.
func happened(ago time.Duration, kind, reason, message string, count int) status.Event {
	return status.Event{Time: metav1.NewTime(time.Now().Add(-ago)), Type: kind, Reason: reason, Message: message, Count: count}
}

func events(list ...status.Event) func(*status.Status) {
	return func(s *status.Status) { s.Events = list }
}

func TestEvents(t *testing.T) {
	h := newHouse(t)
	h.tell("Session", "a", "", map[string]string{"team": "x"}, events(
		happened(time.Hour, "Normal", "Created", "9 objects", 1), happened(12*time.Minute, "Warning", "HookFailed", "run hook warm:\nexit \x1b[2Jstatus 3", 7)))
	h.tell("Session", "b", "", nil, events(happened(30*time.Minute, "Normal", "Created", "10 objects", 1)))
	h.tell("Chroot", "c", "", nil, events(happened(45*time.Minute, "Warning", "SourceMissing", "no such file", 0)))
	for _, row := range []struct {
		args string
		want string
	}{
		{"events", `
LAST SEEN   TYPE      REASON          OBJECT      MESSAGE
60m         Normal    Created         session/a   9 objects
45m         Warning   SourceMissing   chroot/c    no such file
30m         Normal    Created         session/b   10 objects
12m (x7)    Warning   HookFailed      session/a   run hook warm:; exit �[2Jstatus 3
`},
		{"events sessions --types=warning --no-headers", "12m (x7)   Warning   HookFailed   session/a   run hook warm:; exit �[2Jstatus 3\n"},
		{"events session/b chroot/c", `
LAST SEEN   TYPE      REASON          OBJECT      MESSAGE
45m         Warning   SourceMissing   chroot/c    no such file
30m         Normal    Created         session/b   10 objects
`},
		{"events session b", `
LAST SEEN   TYPE     REASON    OBJECT      MESSAGE
30m         Normal   Created   session/b   10 objects
`},
		{"events -l team=x --types Normal", `
LAST SEEN   TYPE     REASON    OBJECT      MESSAGE
60m         Normal   Created   session/a   9 objects
`},
		{"events profiles", "Nothing has happened.\n"},
	} {
		out, errOut, code := h.call("", strings.Fields(row.args)...)
		errOut = strings.ReplaceAll(errOut, "Note: coppiced is not running on "+h.run+": nothing will change until it is started\n", "")
		if code != 0 {
			t.Errorf("%s: exit code %d", row.args, code)
		}
		check(t, out+errOut, row.want)
	}
	for args, says := range map[string]string{
		"events session/z": `there is no session "z"`, "events pods": "there is no kind", "events --types=Bad": "want Normal or Warning",
		"events -o name": "want one of table, wide, json, yaml", "events session/a -l team=x": "not both", "events -l a=(": "-l",
	} {
		out, errOut, code := h.call("", strings.Fields(args)...)
		if code == 0 || !strings.Contains(out+errOut, says) {
			t.Errorf("%s: exit code %d: %s", args, code, out+errOut)
		}
	}
	out, _, _ := h.call("", "events", "session/a", "-o", "json")
	var list struct{ Items []happening }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Items) != 2 || list.Items[1].Object != (involved{"Session", "a"}) || list.Items[1].Count != 7 {
		t.Errorf("json: %v\n%s", err, out)
	}
	if out, _, _ := h.call("", "events", "profiles", "-o", "json"); !strings.Contains(out, `"items": []`) {
		t.Errorf("none, in json: %s", out)
	}
}

// TestEventsAreFollowed has things happen while somebody watches: each is told once.
func TestEventsAreFollowed(t *testing.T) {
	h := newHouse(t)
	first := happened(time.Hour, "Normal", "Created", "9 objects", 1)
	h.tell("Session", "a", "", nil, events(first))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	var o eventsOptions
	o.output, o.watch = "table", true
	if err := o.parse([]string{"sessions"}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- (&cli{out: in, errOut: io.Discard, runDir: h.run}).events(ctx, o)
		in.Close()
	}()
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- strings.Join(strings.Fields(scan.Text()), " ")
		}
	}()
	want := func(line string) {
		t.Helper()
		select {
		case got := <-lines:
			if got != line {
				t.Errorf("told %q, want %q", got, line)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing is told, want %q", line)
		}
	}
	want("LAST SEEN TYPE REASON OBJECT MESSAGE")
	want("60m Normal Created session/a 9 objects")
	second := happened(0, "Warning", "HookFailed", "warm", 1)
	second.Time = metav1.NewTime(time.Now().Add(-5 * time.Minute))
	h.tell("Session", "a", "", nil, events(first, second))
	want("5m Warning HookFailed session/a warm")
	second.Count, second.Time = 2, metav1.NewTime(time.Now().Add(-4*time.Minute))
	h.tell("Session", "a", "", nil, events(first, second))
	want("4m (x2) Warning HookFailed session/a warm")
	h.tell("Session", "b", "", nil, events(happened(3*time.Minute, "Normal", "Created", "1 object", 1)))
	want("3m Normal Created session/b 1 object")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for line := range lines {
		t.Errorf("told more than once: %s", line)
	}
}
