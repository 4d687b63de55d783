package view

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/schroot/internal/names"
)

// row is a line of --info.
type row struct{ title, value string }

// titles of the stanzas. The dashes are these in every language and encoding.
var titles = map[names.Namespace]string{
	names.Chroot: "─── Chroot ───", names.Source: "─── Source ───", names.Session: "─── Session ───",
}

// Info prints facts as schroot --info does: a stanza each, an empty line between.
func Info(all []Facts) string {
	stanzas := make([]string, 0, len(all))
	for _, f := range all {
		stanzas = append(stanzas, stanza(f))
	}
	return strings.Join(stanzas, "\n")
}

func stanza(f Facts) string {
	rows := f.rows()
	width := 0
	for _, r := range rows {
		width = max(width, len(r.title))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %s\n", titles[f.Namespace])
	for _, r := range rows {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, r.title, r.value)
	}
	return b.String()
}

// rows returns the lines in schroot's order.
func (f Facts) rows() []row {
	session := f.Namespace == names.Session
	words := func(list []string) string { return strings.Join(list, " ") }
	rows := []row{
		{"Name", f.Name.Name},
		{"Description", f.Description},
		{"Type", string(f.Type)},
		{"Message Verbosity", f.Verbosity()},
		{"Users", words(f.Users)},
		{"Groups", words(f.Groups)},
		{"Root Users", words(f.RootUsers)},
		{"Root Groups", words(f.RootGroups)},
		{"Aliases", words(f.Aliases)},
		{"Preserve Environment", strconv.FormatBool(f.Preserves())},
		{"Default Shell", f.Shell},
		{"Environment Filter", f.Filter},
		{"Run Setup Scripts", strconv.FormatBool(f.Type != schrootconf.Plain)},
		{"Configuration Profile", f.Profile},
		{"Script Configuration", ""},
		{"Session Managed", strconv.FormatBool(!session && f.Type != schrootconf.Plain)},
		{"Session Cloned", strconv.FormatBool(f.Cloned)},
		{"Session Purged", strconv.FormatBool(f.Purged)},
	}
	rows = given(rows, "Command Prefix", words(f.Prefix))
	if session {
		rows = given(rows, "Mount Location", f.Path)
	}
	rows = given(rows, "Path", f.Path)
	switch f.Type {
	case schrootconf.Plain, schrootconf.Directory:
		rows = append(rows, row{"Directory", f.Directory})
	case schrootconf.File:
		rows = append(rows, row{"File", f.File}, row{"File Repack", strconv.FormatBool(f.Repacked)})
	case schrootconf.Loopback:
		rows = append(rows, row{"File", f.File})
	case schrootconf.BlockDevice:
		rows = append(rows, row{"Device", f.Device})
	case schrootconf.LVMSnapshot:
		rows = append(rows, row{"Device", f.Device}, row{"LVM Snapshot Options", f.LVMOptions})
	case schrootconf.BtrfsSnapshot:
		if session {
			rows = append(rows, row{"Btrfs Snapshot Name", ""})
			break
		}
		rows = append(rows, row{"Btrfs Source Subvolume", f.Subvolume}, row{"Btrfs Snapshot Directory", f.Snapshots})
	}
	rows = append(rows, row{"Personality", cmp.Or(f.Personality, "undefined")}, row{"User Modifiable Keys", words(f.conf().List("user-modifiable-keys"))}, row{"Root Modifiable Keys", words(f.conf().List("root-modifiable-keys"))}, row{"User Data", ""})
	union := map[string]string{}
	for _, e := range f.entries() {
		switch {
		case schrootconf.IsCustom(e.Key):
			rows = append(rows, row{"  " + e.Key, e.Value})
		case strings.HasPrefix(e.Key, "union-"):
			union[e.Key] = e.Value
		}
	}
	if session {
		rows = given(rows, "Mount Device", f.sessionKeys()["mount-device"])
	}
	rows = given(rows, "Mount Options", f.MountOptions)
	rows = given(rows, "Location", f.Location)
	rows = given(rows, "Filesystem Union Type", f.Union)
	if f.Union == overlay {
		rows = append(rows,
			row{"Filesystem Union Overlay Directory", union["union-overlay-directory"]}, row{"Filesystem Union Underlay Directory", union["union-underlay-directory"]})
	}
	if session {
		rows = append(rows, row{"Original Chroot Name", f.Original}, row{"Selected Chroot Name", f.Selected}, row{"Session ID", f.Name.Name})
	}
	if s := f.Source; s != nil {
		rows = append(rows, row{"Source Users", words(s.Users)}, row{"Source Groups", words(s.Groups)}, row{"Source Root Users", words(s.RootUsers)}, row{"Source Root Groups", words(s.RootGroups)})
	}
	return rows
}

// given adds a row for what there is.
func given(rows []row, title, value string) []row {
	if value == "" {
		return rows
	}
	return append(rows, row{title, value})
}
