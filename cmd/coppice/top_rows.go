package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// topRow is what one session uses.
type topRow struct {
	Session string       `json:"session"`
	Owner   string       `json:"owner,omitempty"`
	Phase   status.Phase `json:"phase"`
	// Processes counts those inside, Inside the commands that somebody was let in with,
	// and processes that are inside without having been.
	Processes int `json:"processes"`
	Inside    int `json:"inside"`
	// CPU is in hundredths of one processor.
	CPU    float64 `json:"cpuPercent"`
	Memory int64   `json:"memoryBytes"`
	// Counted is set if a cgroup counts the memory.
	Counted bool `json:"memoryCounted"`
	// Disk is what was written; nil where that is not known.
	Disk     *int64       `json:"diskBytes"`
	Admitted *metav1.Time `json:"admitted,omitempty"`

	style terminal.Style
	now   time.Time
}

// topOrder is a way to sort rows.
type topOrder struct {
	word    string
	compare func(a, b topRow) int
}

// topOrderings are the ways to sort, the usual one first; most is first, but for names.
var topOrderings = []topOrder{
	{"cpu", func(a, b topRow) int { return cmp.Compare(b.CPU, a.CPU) }},
	{"memory", func(a, b topRow) int { return cmp.Compare(b.Memory, a.Memory) }},
	{"disk", func(a, b topRow) int { return cmp.Compare(diskOf(b), diskOf(a)) }},
	{"processes", func(a, b topRow) int { return cmp.Compare(b.Processes, a.Processes) }},
	{"inside", func(a, b topRow) int { return cmp.Compare(b.Inside, a.Inside) }},
	{"age", func(a, b topRow) int { return cmp.Compare(b.age(), a.age()) }},
	{"name", func(a, b topRow) int { return strings.Compare(a.Session, b.Session) }},
}

// topOrders are the words for --sort-by.
func topOrders() (words []string) {
	for _, o := range topOrderings {
		words = append(words, o.word)
	}
	return words
}

// sortTop sorts rows; those that are equal by their names.
func sortTop(rows []topRow, by string) {
	i := slices.IndexFunc(topOrderings, func(o topOrder) bool { return o.word == by })
	slices.SortFunc(rows, func(a, b topRow) int {
		return cmp.Or(topOrderings[i].compare(a, b), strings.Compare(a.Session, b.Session))
	})
}

func diskOf(r topRow) int64 {
	if r.Disk == nil {
		return -1
	}
	return *r.Disk
}

func (r topRow) age() time.Duration {
	if r.Admitted == nil {
		return 0
	}
	return r.now.Sub(r.Admitted.Time)
}

// topTable returns rows as they are printed.
func topTable(rows []topRow, noHeaders bool) (table [][]terminal.Cell) {
	if !noHeaders {
		table = append(table, terminal.Cells("SESSION", "PHASE", "CPU", "MEMORY", "DISK", "PROCESSES", "INSIDE", "AGE", "OWNER"))
	}
	for _, r := range rows {
		memory, disk := inUnits(r.Memory), "-"
		if !r.Counted && r.Memory > 0 {
			memory = "~" + memory
		}
		if r.Disk != nil {
			disk = inUnits(*r.Disk)
		}
		row := terminal.Cells(r.Session, string(r.Phase), fmt.Sprintf("%.0f%%", r.CPU), memory, disk,
			strconv.Itoa(r.Processes), strconv.Itoa(r.Inside), age(r.Admitted, r.now), orDash(r.Owner))
		row[1].Style = r.style
		table = append(table, row)
	}
	return table
}
