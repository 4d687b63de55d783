package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"coppice.dev/cmd/internal/terminal"
)

func TestEntries(t *testing.T) {
	for _, row := range []struct{ entry, want string }{
		{`{"__REALTIME_TIMESTAMP":"1795808330090335","MESSAGE":"made {\"a\": 1}","COPPICE_TEXT":"made","COPPICE_SESSION":"s","PRIORITY":"6"}`, "s: made"},
		{`{"MESSAGE":"as it was","COPPICE_SESSION":"s"}`, "s: as it was"},
		{`{"COPPICE_TEXT":"it failed","COPPICE_ERROR":"no such disk","COPPICE_SESSION":"s","PRIORITY":"3"}`, "\x1b[31ms: it failed: no such disk\x1b[0m"},
		{`{"COPPICE_TEXT":"slow","COPPICE_TYPE":"Warning","COPPICE_SESSION":"s","PRIORITY":"6"}`, "\x1b[33ms: slow\x1b[0m"},
		{`{"COPPICE_TEXT":[104,27,105],"COPPICE_HOOK":"warm","COPPICE_SESSION":["s","t"],"PRIORITY":"6"}`, "s: warm| h\ufffdi"},
		{`{"COPPICE_TEXT":"","COPPICE_HOOK":"warm","COPPICE_SESSION":"s","PRIORITY":"6"}`, "s: warm| "},
		{`{"COPPICE_TEXT":"one\n\ttwo","COPPICE_SESSION":"s","PRIORITY":"6"}`, "s: one\n                         two"},
	} {
		e, err := parseEntry([]byte(row.entry))
		if err != nil {
			t.Errorf("%s: %v", row.entry, err)
			continue
		}
		_, line, _ := strings.Cut(e.line(terminal.Screen{Colour: true}, true), "\x1b[0m  ")
		if line != row.want {
			t.Errorf("%s:\n%q, want\n%q", row.entry, line, row.want)
		}
	}
	e, _ := parseEntry([]byte(`{"__REALTIME_TIMESTAMP":"1795808330090335"}`))
	if want := time.UnixMicro(1795808330090335); !e.Time.Equal(want) {
		t.Errorf("%s, want %s", e.Time, want)
	}
	if _, err := parseEntry([]byte("no JSON")); err == nil {
		t.Error("what is no entry is one")
	}
}

func TestJournalctl(t *testing.T) {
	for _, row := range []struct {
		o    logsOptions
		want string
	}{
		{logsOptions{names: []string{"a"}, tail: -1}, "_UID=0 COPPICE_RUN_DIR=/run/coppice COPPICE_SESSION=a"},
		{logsOptions{names: []string{"a", "b"}, tail: 5, follow: true, since: "2h"}, "--since=-7200s --lines=5 --follow _UID=0 COPPICE_RUN_DIR=/run/coppice COPPICE_SESSION=a COPPICE_SESSION=b"},
		{logsOptions{names: []string{"a"}, tail: -1, follow: true, since: "yesterday", where: "/d"}, "--directory=/d --since=yesterday --no-tail --follow _UID=0 COPPICE_RUN_DIR=/run/coppice COPPICE_SESSION=a"},
	} {
		args := row.o.journalctl([]string{"/run/coppice"})
		i := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--output-fields=") })
		if got := strings.Join(args[i+1:], " "); got != row.want {
			t.Errorf("%+v:\n%s, want\n%s", row.o, got, row.want)
		}
	}
}
