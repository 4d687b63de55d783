package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logLevels are the words for --log-level, the quietest first. A logr message
// of V(1) is debug, of V(2) or more trace; zap counts them downwards from 0.
var logLevels = []struct {
	name  string
	level zapcore.Level
}{
	{"error", zapcore.ErrorLevel},
	{"info", zapcore.InfoLevel},
	{"debug", zapcore.DebugLevel},
	{"trace", zapcore.Level(-10)},
}

// formatJournal is the format of who writes to systemd's journal.
const formatJournal = "journal"

// logFormats are the words for --log-format.
var logFormats = []string{"text", "json", formatJournal}

// usualFormat is the format if none is given: that of the journal where standard error
// leads there.
func usualFormat() string {
	if is, err := journal.StderrIsJournalStream(); is && err == nil {
		return formatJournal
	}
	return "text"
}

// direct is a path without links, as far as it is there.
func direct(path string) string {
	if direct, err := filepath.EvalSymlinks(path); err == nil {
		return direct
	}
	return path
}

// newLogger returns a logger that writes one line a message, or sends it to the journal
// as the controller of a run-time folder.
func newLogger(w io.Writer, format, level, runDir string) (logr.Logger, error) {
	if !slices.Contains(logFormats, format) {
		return logr.Logger{}, fmt.Errorf("--log-format %q: want one of %s", format, strings.Join(logFormats, ", "))
	}
	var names []string
	for _, l := range logLevels {
		if names = append(names, l.name); l.name == level {
			core := zapcore.NewCore(encoder(format), zapcore.AddSync(w), l.level)
			if format == formatJournal {
				if !journal.Enabled() {
					return logr.Logger{}, errors.New("--log-format journal: there is no journal of systemd here; use text or json")
				}
				core = &journalCore{LevelEnabler: l.level, runDir: runDir, text: encoder(format), send: journal.Send, otherwise: w}
			}
			return zapr.NewLogger(zap.New(core)), nil
		}
	}
	return logr.Logger{}, fmt.Errorf("--log-level %q: want one of %s", level, strings.Join(names, ", "))
}

func encoder(format string) zapcore.Encoder {
	config := zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", NameKey: "logger", MessageKey: "msg",
		EncodeTime:       zapcore.ISO8601TimeEncoder,
		EncodeLevel:      encodeLevel,
		EncodeDuration:   zapcore.StringDurationEncoder,
		EncodeName:       zapcore.FullNameEncoder,
		ConsoleSeparator: " ",
	}
	if format == formatJournal { // which knows the rest
		config.TimeKey, config.LevelKey = "", ""
	}
	if format == "json" {
		return zapcore.NewJSONEncoder(config)
	}
	return zapcore.NewConsoleEncoder(config)
}

// encodeLevel gives names to the levels below debug, which zap would print as
// "Level(-2)".
func encodeLevel(level zapcore.Level, to zapcore.PrimitiveArrayEncoder) {
	switch {
	case level < zapcore.DebugLevel:
		to.AppendString("trace")
	default:
		to.AppendString(level.String())
	}
}
