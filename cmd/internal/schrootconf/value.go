package schrootconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Position is a line of a file, from 1; 0 is the file as a whole.
type Position struct {
	File string
	Line int
}

// String returns "file:line", or the file alone.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is something that is wrong with the configuration.
type Problem struct {
	At Position
	// Chroot and Key say what it is about; either may be empty.
	Chroot, Key string
	Message     string
	// Refused is set where schroot itself refuses to work, with any chroot, until
	// it is mended; else it warns.
	Refused bool
}

// String returns "file:line: [chroot] key: message", with ? for signs that a
// terminal would heed.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.At.String() + ": ")
	if p.Chroot != "" {
		b.WriteString("[" + p.Chroot + "] ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return strings.Map(printable, b.String())
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return '?'
	}
	return r
}

// Entry is a key with its value, as written: nothing is trimmed.
type Entry struct {
	Key, Value string
	// Locale is that of a translation, as in description[fr]; else empty.
	Locale string
	At     Position
}

// Chroot is one section of the configuration.
type Chroot struct {
	Name string
	At   Position
	// Entries are in the order of the file.
	Entries []Entry
	// Comments are lines that WriteGiven puts before the section; none are read.
	Comments []string
}

// New returns a chroot with the values given, in the order of their keys.
func New(name string, values map[string]string) Chroot {
	c := Chroot{Name: name}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		c.Entries = append(c.Entries, Entry{Key: key, Value: values[key]})
	}
	return c
}

// Given returns a key's entry if it is written, translations aside.
func (c Chroot) Given(key string) (Entry, bool) {
	i := slices.IndexFunc(c.Entries, func(e Entry) bool { return e.Key == key && e.Locale == "" })
	if i < 0 {
		return Entry{}, false
	}
	return c.Entries[i], true
}

// Type returns the chroot's type; plain if none is written.
func (c Chroot) Type() Type { return Type(c.Text("type")) }

// Text returns a key's value as it is written, or its default.
func (c Chroot) Text(key string) string {
	if e, given := c.Given(key); given {
		return e.Value
	}
	return c.standard(key)
}

// List returns the entries of a value that is a list with commas, without the
// empty ones and without spaces around them. schroot itself keeps the spaces as
// part of an entry, which then names nobody.
func (c Chroot) List(key string) []string { return Split(c.Text(key)) }

// Bool returns a value that is true or false.
func (c Chroot) Bool(key string) bool { return truth[c.Text(key)] }

// truth are the words for a value that is true or false; false if missing here.
var truth = map[string]bool{"true": true, "yes": true, "1": true}

// Split splits a list with commas.
func Split(list string) []string {
	var entries []string
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// Join is the opposite of Split.
func Join(entries []string) string { return strings.Join(entries, ",") }
