package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// report is a vulnerability that the programs reach.
type report struct {
	ID      string
	Summary string
	// Module is where it is, in the version Have; "stdlib" for the Go release.
	Module, Have string
	// Fixed is the version that mends it, "" if none does.
	Fixed string
	// Via is one way from the programs to it.
	Via string
}

// message is a line of what govulncheck says in JSON (golang.org/x/vuln/internal/govulncheck).
type message struct {
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *struct {
		OSV   string  `json:"osv"`
		Fixed string  `json:"fixed_version"`
		Trace []frame `json:"trace"`
	} `json:"finding"`
}

// frame is a step of the way from a program to the vulnerable function, which is the first.
type frame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Package  string `json:"package"`
	Function string `json:"function"`
	Receiver string `json:"receiver"`
}

func (f frame) String() string {
	if f.Receiver != "" {
		return f.Package + "." + strings.TrimPrefix(f.Receiver, "*") + "." + f.Function
	}
	return f.Package + "." + f.Function
}

// read returns what is called, one report each; what is only there in a module is left out.
func read(from io.Reader) ([]report, error) {
	summaries, found := map[string]string{}, map[string]report{}
	for lines := json.NewDecoder(from); ; {
		var m message
		if err := lines.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what govulncheck says: %w", err)
		}
		if m.OSV != nil {
			summaries[m.OSV.ID] = m.OSV.Summary
		}
		if f := m.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			if _, known := found[f.OSV]; known {
				continue
			}
			first, last := f.Trace[0], f.Trace[len(f.Trace)-1]
			found[f.OSV] = report{
				ID: f.OSV, Module: first.Module, Have: first.Version, Fixed: f.Fixed, Via: last.String() + " reaches " + first.String(),
			}
		}
	}
	var all []report
	for _, id := range slices.Sorted(maps.Keys(found)) {
		r := found[id]
		r.Summary = summaries[id]
		all = append(all, r)
	}
	return all, nil
}

// parseAccepted reads lines of a report's number and the reason why it is left; lines that
// begin with # are for people.
func parseAccepted(text string) (map[string]string, error) {
	left := map[string]string{}
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, why, _ := strings.Cut(line, " ")
		if why = strings.TrimSpace(why); !strings.HasPrefix(id, "GO-") || why == "" {
			return nil, fmt.Errorf("line %d: a line is a report's number, as GO-2024-1234, and why it is left", n+1)
		}
		left[id] = why
	}
	return left, nil
}

// verdict sorts what was found.
type verdict struct {
	// Bad must be mended here; Release is mended by another Go; Left was decided on.
	Bad, Release, Left []report
	// Stale was decided on and is found no longer.
	Stale []string
}

// judge sorts reports.
func judge(found []report, left map[string]string) verdict {
	var v verdict
	seen := map[string]bool{}
	for _, r := range found {
		seen[r.ID] = true
		switch _, accepted := left[r.ID]; {
		case accepted:
			v.Left = append(v.Left, r)
		case r.Module == "stdlib":
			v.Release = append(v.Release, r)
		default:
			v.Bad = append(v.Bad, r)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		if !seen[id] {
			v.Stale = append(v.Stale, id)
		}
	}
	return v
}

func (v verdict) err() error {
	switch {
	case len(v.Bad) > 0:
		return fmt.Errorf("%d reports; have the module in a version that mends it, or say in the file of accepted ones why it cannot matter", len(v.Bad))
	case len(v.Stale) > 0:
		return fmt.Errorf("%s: accepted, but not found any more; take the line out", strings.Join(v.Stale, ", "))
	}
	return nil
}

func (v verdict) text() string {
	var b strings.Builder
	for _, r := range v.Bad {
		fmt.Fprintf(&b, "%s: %s\n  %s %s, mended in %s\n  %s\n  https://pkg.go.dev/vuln/%s\n", r.ID, r.Summary, r.Module, r.Have, orNone(r.Fixed), r.Via, r.ID)
	}
	if len(v.Release) > 0 {
		fmt.Fprintf(&b, "Go %s has mistakes that Coppice reaches; build what you ship with a newer one:\n", strings.TrimPrefix(v.Release[0].Have, "v"))
		for _, r := range v.Release {
			fmt.Fprintf(&b, "  %s, mended in %s: %s\n", r.ID, orNone(strings.TrimPrefix(r.Fixed, "v")), r.Summary)
		}
	}
	fmt.Fprintf(&b, "vulnerabilities: %d in modules, %d in this Go release, %d left with a reason\n", len(v.Bad), len(v.Release), len(v.Left))
	return b.String()
}

func orNone(version string) string {
	if version == "" {
		return "no version"
	}
	return version
}
