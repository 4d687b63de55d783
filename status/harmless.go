package status

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A status tells what others have said: what a command is called, what a hook printed,
// what a server answered. It is shown on terminals, which obey some of what they are
// shown (console_codes(4)), so nothing of that comes into a file.

// harmless reports whether a status, as JSON, holds nothing but what can be shown.
func harmless(text []byte) bool {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\\':
			if !plain(text[i:]) {
				return false
			}
			i += 2
		case c >= utf8.RuneSelf || c == 0x7f:
			r, size := utf8.DecodeRune(text[i:])
			if !shown(r) {
				return false
			}
			i += size
		default:
			i++
		}
	}
	return true
}

// plain reports whether what json.Marshal has escaped can be shown.
func plain(escape []byte) bool {
	if len(escape) < 6 {
		return false
	}
	switch escape[1] {
	case 'n', 't', '"', '\\':
		return true
	}
	switch string(escape[:6]) {
	case `\u003c`, `\u003e`, `\u0026`: // what HTML minds
		return true
	}
	return false
}

// shown reports whether a sign can be shown as it is. Those that turn the direction of
// writing are no signs that are printed.
func shown(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }

// disarmed is a copy of a status in which every other sign is replaced.
func disarmed(s Status) (Status, error) {
	var fresh Status
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &fresh)
	}
	if err != nil {
		return s, fmt.Errorf("copy status: %w", err)
	}
	disarm(reflect.ValueOf(&fresh).Elem())
	return fresh, nil
}

// disarm replaces signs in all that a value holds.
func disarm(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Map(func(r rune) rune {
			if shown(r) {
				return r
			}
			return unicode.ReplacementChar
		}, v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			disarm(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			disarm(v.Index(i))
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				disarm(f)
			}
		}
	}
}
