// Package survey looks at what a machine offers to Coppice: its kernel, its file
// systems, programs, limits, and the folders of one controller. It says what is missing,
// what that means, and what to install or set.
//
// It only looks: it makes nothing, mounts nothing, and loads no module. What it says is
// for people who set a machine up; the drivers find out for themselves what they need
// when they need it.
package survey

import (
	"os"
	"path/filepath"
	"strings"

	"coppice.dev/reconcile/layout"
)

// Level says how much a finding matters.
type Level string

// The levels.
const (
	// Good: it is as it should be.
	Good Level = "ok"
	// Worth: something works less well, or not at all, that not everybody needs.
	Worth Level = "note"
	// Bad: sessions cannot be made as long as it is so.
	Bad Level = "problem"
)

// The areas, in the order in which they are looked at.
const (
	areaKernel      = "kernel"
	areaFileSystems = "file systems"
	areaPrograms    = "programs"
	areaLimits      = "limits"
	areaFolders     = "folders"
)

// Finding is one thing that was looked at.
type Finding struct {
	Area  string `json:"area"`
	What  string `json:"what"`
	Level Level  `json:"level"`
	// Found is what was found, in a few words.
	Found string `json:"found"`
	// Advice says what that means and what to do about it; empty if it is good.
	Advice string `json:"advice,omitempty"`
}

// Machine is what is looked at.
type Machine struct {
	// Root is "/", but for tests.
	Root   string
	Layout layout.Layout
	// Manifests are the watched folders that outlive a reboot.
	Manifests []string
	// UpperImages is set if the controller was told to make images, quotas or not.
	UpperImages bool
	// Calls tells what system calls the kernel has; nil asks the kernel.
	Calls func(call) bool
}

// Look looks at everything.
func (m Machine) Look() []Finding {
	if m.Calls == nil {
		m.Calls = has
	}
	var all []Finding
	for _, part := range []func() []Finding{m.kernel, m.fileSystems, m.programs, m.limits, m.folders} {
		all = append(all, part()...)
	}
	return all
}

// text returns what a small file of the kernel's holds; empty if there is none.
func (m Machine) text(path string) string {
	text, err := os.ReadFile(filepath.Join(m.Root, path))
	if err != nil {
		return "" // what is not there is what is told
	}
	return strings.TrimSpace(string(text))
}

// there reports whether there is something at a path.
func (m Machine) there(path string) bool {
	_, err := os.Lstat(filepath.Join(m.Root, path))
	return err == nil
}
