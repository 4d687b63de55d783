package spec

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
)

// escapes rewrites what JSON may escape and the YAML library does not take back,
// a slash and signs beyond the first 65,536. It returns false if the text is no
// JSON, or has none of it.
func escapes(text string) (string, bool) {
	if !strings.Contains(text, `\/`) && !strings.Contains(text, `\u`) || !json.Valid([]byte(text)) {
		return "", false
	}
	var b strings.Builder
	changed := false
	for text != "" {
		before, rest, found := strings.Cut(text, `\`)
		b.WriteString(before)
		if !found {
			break
		}
		switch first, second := unit(rest), rune(-1); {
		case rest[0] == '/':
			b.WriteByte('/')
			text, changed = rest[1:], true
		case utf16.IsSurrogate(first):
			if strings.HasPrefix(rest[5:], `\`) {
				second = unit(rest[6:])
			}
			sign := utf16.DecodeRune(first, second) // a half alone is the sign for what is broken
			b.WriteRune(sign)
			text, changed = rest[5:], true
			if utf16.IsSurrogate(second) && sign != '\ufffd' {
				text = rest[11:]
			}
		default:
			b.WriteByte('\\')
			b.WriteByte(rest[0])
			text = rest[1:]
		}
	}
	return b.String(), changed
}

// unit returns the UTF-16 unit of an escape without its backslash, or -1.
func unit(escape string) rune {
	if len(escape) < 5 || escape[0] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(escape[1:5], 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
