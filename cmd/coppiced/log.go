package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

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

// logFormats are the words for --log-format.
var logFormats = []string{"text", "json"}

// newLogger returns a logger that writes one line a message.
func newLogger(w io.Writer, format, level string) (logr.Logger, error) {
	if !slices.Contains(logFormats, format) {
		return logr.Logger{}, fmt.Errorf("--log-format %q: want %s", format, strings.Join(logFormats, " or "))
	}
	var names []string
	for _, l := range logLevels {
		if names = append(names, l.name); l.name == level {
			core := zapcore.NewCore(encoder(format), zapcore.AddSync(w), l.level)
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
