package schrootconf

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Config returns what `schroot --config` prints of a chroot, sorted: every key of
// its type, whether it is written or not, and those of its own.
func (c Chroot) Config() []Entry {
	var list []Entry
	add := func(key string) {
		if !slices.ContainsFunc(list, func(e Entry) bool { return e.Key == key }) {
			list = append(list, Entry{Key: key, Value: c.Text(key)})
		}
	}
	for _, k := range Keys {
		if k.Shown && k.Of(c.Type()) && c.shown(k.Name) {
			add(k.Name)
		}
	}
	for _, file := range profileFiles {
		if c.Text("profile") != "" || c.given("setup."+file) {
			add("setup." + file)
		}
	}
	if p, given := c.Given("personality"); given && p.Value != "undefined" {
		add("personality")
	}
	for _, e := range c.Entries {
		if e.Locale == "" && (IsCustom(e.Key) || e.Key == "script-config") {
			add(e.Key)
		}
	}
	for i, e := range list {
		switch k, _ := FindKey(e.Key); {
		case e.Key == "profile" && c.given("script-config"):
			list[i].Value = ""
		case k.List:
			// Empty entries go, spaces stay: as schroot has it.
			list[i].Value = Join(slices.DeleteFunc(strings.Split(e.Value, ","), func(s string) bool { return s == "" }))
		case k.Truth:
			list[i].Value = "false"
			if truth[e.Value] {
				list[i].Value = "true"
			}
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return list
}

func (c Chroot) given(key string) bool {
	_, given := c.Given(key)
	return given
}

// shown tells of keys that only some chroots of a type have.
func (c Chroot) shown(key string) bool {
	switch {
	case key == "union-type":
		return true
	case strings.HasPrefix(key, "union-"):
		return c.Unioned()
	case strings.HasPrefix(key, "source-"):
		return c.Unioned() || slices.Contains(sourced, c.Type())
	}
	return true
}

// Write writes chroots as `schroot --config` prints them, below a line of
// comment.
func Write(w io.Writer, comment string, chroots []Chroot) error {
	return write(w, comment, chroots, Chroot.Config)
}

// WriteGiven is Write with the keys alone that are written in the chroots, type
// first, and their comments: a file as people write it.
func WriteGiven(w io.Writer, comment string, chroots []Chroot) error {
	return write(w, comment, chroots, func(c Chroot) []Entry {
		isType := func(e Entry) bool { return e.Key == "type" }
		i := slices.IndexFunc(c.Entries, isType)
		if i < 0 {
			return c.Entries
		}
		return append([]Entry{c.Entries[i]}, slices.DeleteFunc(slices.Clone(c.Entries), isType)...)
	})
}

func write(w io.Writer, comment string, chroots []Chroot, entries func(Chroot) []Entry) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s\n", comment)
	for _, c := range chroots {
		fmt.Fprintln(b)
		for _, line := range c.Comments {
			fmt.Fprintf(b, "# %s\n", line)
		}
		fmt.Fprintf(b, "[%s]\n", c.Name)
		for _, e := range entries(c) {
			fmt.Fprintf(b, "%s=%s\n", e.Key, e.Value)
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write configuration of schroot: %w", err)
	}
	return nil
}
