package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// The fields of an entry of the journal that are looked at; coppiced writes those that are
// called COPPICE_.
const (
	entrySession  = "COPPICE_SESSION"
	entryText     = "COPPICE_TEXT"
	entryHook     = "COPPICE_HOOK"
	entryError    = "COPPICE_ERROR"
	entryReason   = "COPPICE_REASON"
	entryType     = "COPPICE_TYPE"
	entryPriority = "PRIORITY"
	entryMessage  = "MESSAGE"
	entryTime     = "__REALTIME_TIMESTAMP"
)

// logEntry is what was logged once.
type logEntry struct {
	Time    time.Time `json:"time"`
	Session string    `json:"session"`
	// Level is error, info or debug.
	Level  string `json:"level"`
	Reason string `json:"reason,omitempty"`
	// Hook is set for what a hook said.
	Hook    string `json:"hook,omitempty"`
	Message string `json:"message"`
	Error   string `json:"error,omitempty"`

	style terminal.Style
}

// parseEntry reads an entry as journalctl --output=json writes it.
func parseEntry(line []byte) (logEntry, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return logEntry{}, fmt.Errorf("an entry of the journal: %w", err)
	}
	e := logEntry{
		Session: field(fields[entrySession]), Reason: field(fields[entryReason]), Hook: field(fields[entryHook]),
		Error: field(fields[entryError]), Message: field(fields[entryText]),
	}
	if _, has := fields[entryText]; !has {
		e.Message = field(fields[entryMessage])
	}
	if micros, err := strconv.ParseInt(field(fields[entryTime]), 10, 64); err == nil {
		e.Time = time.UnixMicro(micros)
	}
	e.Level, e.style = levelOf(field(fields[entryPriority]))
	if e.style == terminal.Plain && field(fields[entryType]) == status.EventWarning {
		e.style = terminal.Waiting
	}
	return e, nil
}

// levelOf is what a priority of syslog(3) is called, and how it is shown.
func levelOf(priority string) (string, terminal.Style) {
	switch priority {
	case "0", "1", "2", "3":
		return "error", terminal.Bad
	case "7":
		return "debug", terminal.Faint
	}
	return "info", terminal.Plain
}

// field is a value of the journal: a text, or the numbers of its bytes if it is none that
// can be printed. Of several it is the first.
func field(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		var text []byte
		for _, one := range v {
			n, is := one.(float64)
			if !is {
				return field(one)
			}
			text = append(text, byte(n))
		}
		return strings.ToValidUTF8(string(text), "?")
	}
	return ""
}

// line is an entry for people; named says of which session.
func (e logEntry) line(screen terminal.Screen, named bool) string {
	text := e.Message
	if e.Error != "" {
		text += ": " + e.Error
	}
	if e.Hook != "" {
		text = e.Hook + "| " + text
	}
	if named {
		text = e.Session + ": " + text
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := range lines {
		lines[i] = screen.Paint(e.style, printable(strings.ReplaceAll(lines[i], "\t", "    ")))
	}
	const layout = "2006-01-02 15:04:05"
	return screen.Paint(terminal.Faint, e.Time.Local().Format(layout)) + "  " + strings.Join(lines, "\n"+strings.Repeat(" ", len(layout)+2))
}

// encodeLine prints an entry for machines, one a line.
func encodeLine(w io.Writer, e logEntry) error {
	text, err := json.Marshal(e)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}
