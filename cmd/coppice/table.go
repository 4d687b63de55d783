package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// column is one column of the table of a kind.
type column struct {
	name string
	wide bool // shown by -o wide only
	cell func(status.File, tableOptions) string
}

// tableOptions are how a table is printed.
type tableOptions struct {
	wide      bool
	noHeaders bool
	now       time.Time
}

var (
	columnName  = column{"Name", false, func(f status.File, _ tableOptions) string { return f.Metadata.Name }}
	columnPhase = column{"Phase", false, func(f status.File, _ tableOptions) string { return string(f.Status.Phase) }}
	columnReady = column{"Ready", false, func(f status.File, _ tableOptions) string {
		return string(condition(f.Status, status.ConditionReady).Status)
	}}
	columnManifest = column{"Manifest", true, func(f status.File, _ tableOptions) string {
		if f.Status.Source == nil {
			return ""
		}
		return f.Status.Source.Manifest
	}}
	columnSessions = column{"Sessions", false, func(f status.File, _ tableOptions) string {
		return strconv.Itoa(len(f.Status.Sessions))
	}}
	columnMessage = column{"Message", false, func(f status.File, _ tableOptions) string { return remark(f.Status) }}
)

// columnsOf returns the columns of the table of a kind.
func columnsOf(n noun) []column {
	switch n.singular {
	case "session":
		return []column{
			columnName, columnPhase, columnReady,
			{"Chroot", false, func(f status.File, _ tableOptions) string { return orDash(f.Status.Chroot) }},
			{"Age", false, func(f status.File, o tableOptions) string { return age(f.Status.Admitted, o.now) }},
			{"Owner", true, func(f status.File, _ tableOptions) string { return orDash(f.Status.Owner) }},
			{"Inside", true, func(f status.File, _ tableOptions) string { return strconv.Itoa(len(f.Status.Leases)) }},
			{"Upper", true, func(f status.File, _ tableOptions) string { return orDash(upper(f.Status)) }},
			{"Root", true, func(f status.File, _ tableOptions) string { return orDash(f.Status.Root) }},
			columnManifest, columnMessage,
		}
	case "manifest":
		return []column{
			columnName, columnPhase,
			{"Problems", false, func(f status.File, _ tableOptions) string { return strconv.Itoa(len(f.Status.Problems)) }},
			columnMessage,
		}
	case "folder":
		return []column{
			columnName, columnPhase,
			{"Manifests", false, func(f status.File, _ tableOptions) string { return strconv.Itoa(folderOf(f).Manifests) }},
			{"Objects", false, func(f status.File, _ tableOptions) string { return strconv.Itoa(folderOf(f).Objects) }},
			{"Revision", false, func(f status.File, o tableOptions) string { return revision(f, o.wide) }},
			{"Since", true, func(f status.File, o tableOptions) string { return age(folderOf(f).RevisionSince, o.now) }},
			columnMessage,
		}
	default:
		return []column{columnName, columnPhase, columnReady, columnSessions, columnManifest, columnMessage}
	}
}

// upper says how full a session's own layer is, if that is limited.
func upper(s status.Status) string {
	for _, o := range s.Objects {
		if o.Limit > 0 {
			return inUnits(o.Used) + " of " + inUnits(o.Limit)
		}
	}
	return ""
}

// folderOf returns what is known of a watched folder.
func folderOf(f status.File) status.Folder {
	if f.Status.Folder == nil {
		return status.Folder{}
	}
	return *f.Status.Folder
}

// revision is a commit as people write it, or whole.
func revision(f status.File, whole bool) string {
	const short = 12
	text := folderOf(f).Revision
	if !whole && len(text) > short {
		text = text[:short]
	}
	return orDash(text)
}

// newTable returns a table as kubectl prints them.
func newTable(out terminal.Output) *terminal.Table {
	return &terminal.Table{Out: out, Gap: 3, Least: 6}
}

// printTable prints the objects of one kind as rows of a table.
func printTable(table *terminal.Table, n noun, files []status.File, o tableOptions) error {
	var names []string
	columns := slices.DeleteFunc(columnsOf(n), func(c column) bool { return c.wide && !o.wide })
	for _, c := range columns {
		names = append(names, strings.ToUpper(c.name))
	}
	var rows [][]terminal.Cell
	if !o.noHeaders {
		rows = append(rows, terminal.Cells(names...))
	}
	for _, f := range files {
		var row []terminal.Cell
		for _, c := range columns {
			cell := terminal.Cell{Text: c.cell(f, o)}
			if c.name == columnPhase.name || c.name == columnReady.name {
				cell.Style = styleOf(f.Status)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	if o.wide {
		table.Fit = terminal.Whole
	}
	return table.Print(rows...)
}

// remark is what is worth saying about an object in a table: what is being done
// to it, or what is wrong. All being well, it says nothing.
func remark(s status.Status) string {
	text := ""
	switch {
	case s.Step != nil && s.Phase != status.Ready && s.Phase != status.Failed:
		text = doing(*s.Step)
	case s.Phase != status.Ready:
		text = why(s)
		if s.Phase == status.Failed {
			// The reason first: what follows may be longer than the line.
			text = condition(s, status.ConditionReady).Reason + ": " + text
		}
	case s.OpenedBy != "":
		text = "session " + s.OpenedBy + " has its source open for writing"
	case s.OpenSource && condition(s, status.ConditionUpToDate).Status != metav1.ConditionFalse:
		text = "it has the source of its chroot open for writing"
	case condition(s, status.ConditionUpToDate).Status == metav1.ConditionFalse:
		text = condition(s, status.ConditionUpToDate).Message
	}
	text, _, more := strings.Cut(text, "\n")
	if more {
		return text + " …"
	}
	return text
}

// doing says in a few words what is being done.
func doing(s status.Step) string {
	text := activity(s)
	if s.Total > 0 {
		text += fmt.Sprintf(", %d%%", s.Done*100/s.Total)
	} else if s.Done > 0 {
		text += ", " + inUnits(s.Done)
	}
	return text
}

// inUnits prints a number of bytes for people.
func inUnits(n int64) string {
	value, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

func age(since *metav1.Time, now time.Time) string {
	if since == nil {
		return "-"
	}
	return duration.HumanDuration(max(0, now.Sub(since.Time)))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
