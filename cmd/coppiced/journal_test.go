package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestJournalCore looks at what the journal is sent; test/e2e sends it to a real one.
func TestJournalCore(t *testing.T) {
	var message string
	var priority journal.Priority
	var fields map[string]string
	var full error
	var otherwise strings.Builder
	core := &journalCore{
		LevelEnabler: zapcore.InfoLevel, runDir: "/run/c", text: encoder(formatJournal), otherwise: &otherwise,
		send: func(m string, p journal.Priority, f map[string]string) error {
			message, priority, fields = m, p, f
			return full
		},
	}
	log := zapr.NewLogger(zap.New(core)).WithValues("session", "s")
	log.Info("made", "reason", "Created", "odd-key", 3)
	for name, want := range map[string]string{
		"COPPICE_SESSION": "s", "COPPICE_REASON": "Created", "COPPICE_ODD_KEY": "3", "COPPICE_TEXT": "made", "COPPICE_RUN_DIR": "/run/c", "SYSLOG_IDENTIFIER": "coppiced",
	} {
		if fields[name] != want {
			t.Errorf("%s: %q, want %q", name, fields[name], want)
		}
	}
	if message != `made {"session": "s", "reason": "Created", "odd-key": 3}` || priority != journal.PriInfo {
		t.Errorf("%d %s", priority, message)
	}
	log.Error(errors.New("no such disk"), "it failed")
	if fields["COPPICE_ERROR"] != "no such disk" || fields["COPPICE_TEXT"] != "it failed" || fields["COPPICE_REASON"] != "" || priority != journal.PriErr {
		t.Errorf("%d %v", priority, fields)
	}
	log.WithName("access").Info("granted")
	if fields["COPPICE_TEXT"] != "access granted" {
		t.Errorf("of a part that has a name: %v", fields)
	}
	message = ""
	log.V(1).Info("a step")
	if message != "" {
		t.Errorf("a level that is not logged: %s", message)
	}
	full = errors.New("the journal does not take it")
	log.Info("made again")
	if got := otherwise.String(); got != "made again {\"session\": \"s\"}\n" {
		t.Errorf("what the journal did not take: %q", got)
	}
}
