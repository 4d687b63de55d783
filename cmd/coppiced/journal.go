package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap/zapcore"
)

// The fields of systemd's journal that an entry has beside its message, by which coppice
// logs finds it: those of the log's own are called COPPICE_ and their name.
const (
	fieldPrefix = "COPPICE_"
	fieldText   = fieldPrefix + "TEXT"    // the message without its fields
	fieldRunDir = fieldPrefix + "RUN_DIR" // which controller says it
)

// journalCore sends entries to systemd's journal, with their fields, as a core of zap. So
// nothing has to be rotated, and what is about a session is found without reading all of
// the log.
type journalCore struct {
	zapcore.LevelEnabler
	runDir string
	fields []zapcore.Field
	// text writes a message with its fields, as people read it in the journal.
	text zapcore.Encoder
	// send is journal.Send; otherwise is where an entry goes that it does not take.
	send      func(message string, priority journal.Priority, fields map[string]string) error
	otherwise io.Writer
}

// With implements zapcore.Core.
func (c *journalCore) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.fields = append(append([]zapcore.Field(nil), c.fields...), fields...)
	return &with
}

// Check implements zapcore.Core.
func (c *journalCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *journalCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	fields = append(append([]zapcore.Field(nil), c.fields...), fields...)
	line, err := c.text.Clone().EncodeEntry(entry, fields)
	if err != nil {
		return err
	}
	defer line.Free()
	message := strings.TrimSuffix(line.String(), "\n")
	if err := c.send(message, priorityOf(entry.Level), c.fieldsOf(entry, fields)); err != nil {
		_, err = fmt.Fprintln(c.otherwise, message)
		return err
	}
	return nil
}

// Sync implements zapcore.Core.
func (*journalCore) Sync() error { return nil }

// fieldsOf are the fields of an entry as the journal takes them.
func (c *journalCore) fieldsOf(entry zapcore.Entry, fields []zapcore.Field) map[string]string {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(values)
	}
	named := map[string]string{"SYSLOG_IDENTIFIER": "coppiced"}
	for name := range maps.Keys(values.Fields) {
		named[fieldPrefix+fieldName(name)] = fmt.Sprint(values.Fields[name])
	}
	// As in the line: who says it, before what.
	named[fieldText], named[fieldRunDir] = strings.TrimSpace(entry.LoggerName+" "+entry.Message), c.runDir
	return named
}

// fieldName is a name as the journal takes it: capitals, digits and underscores.
func fieldName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

func priorityOf(level zapcore.Level) journal.Priority {
	switch {
	case level >= zapcore.ErrorLevel:
		return journal.PriErr
	case level == zapcore.WarnLevel:
		return journal.PriWarning
	case level == zapcore.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// logsTo says where a log of a format goes: "journal", or what standard error is.
func logsTo(format string) string {
	if format == formatJournal {
		return formatJournal
	}
	where, err := os.Readlink("/proc/self/fd/2")
	if err != nil {
		return ""
	}
	return where
}
