package main

import (
	"fmt"
	"strings"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/controller/socket/wire"
)

// signs are how people are told what a step does.
var signs = map[string]string{wire.OperationCreate: "+", wire.OperationAmend: "~", wire.OperationDestroy: "-", wire.OperationHold: "!"}

var styleOfStep = map[string]terminal.Style{
	wire.OperationCreate: terminal.Good, wire.OperationAmend: terminal.Waiting, wire.OperationDestroy: terminal.Bad, wire.OperationHold: terminal.Held,
}

// printForecasts prints what would be done, session by session, and the sum of it.
func printForecasts(w terminal.Output, list []wire.Forecast) {
	idle := true
	for _, f := range list {
		idle = idle && f.Outcome == wire.OutcomeUnchanged
		if f.Outcome != wire.OutcomeUnchanged || len(f.Fields)+len(f.Steps) > 0 {
			printForecast(w, f)
		}
	}
	if idle {
		fmt.Fprintln(w, "Nothing is to be done.")
		return
	}
	fmt.Fprintln(w, sumOf(list)+" Nothing was done.")
}

func printForecast(to terminal.Output, f wire.Forecast) {
	fmt.Fprintf(to, "%s %s\n", to.Paint(terminal.Strong, "session/"+f.Session), intent(f))
	for _, remark := range remarks(f) {
		fmt.Fprintln(to, "    "+remark)
	}
	var rows [][]terminal.Cell
	said := map[string]bool{} // what is made in place of another is for the same reason
	for _, s := range f.Steps {
		where, why := s.Address, because(f, s)
		if s.Owner != "" {
			where = s.Owner + " " + s.Address
		}
		if said[where+why] {
			why = ""
		}
		said[where+why] = true
		row := terminal.Cells(signs[s.Operation]+" "+where, s.Name, why)
		row[0].Style = styleOfStep[s.Operation]
		rows = append(rows, row)
	}
	table := terminal.Table{Out: to, Indent: "  ", Gap: 2, Fit: terminal.Wrapping}
	_ = table.Print(rows...)
	fmt.Fprintln(to)
}

// intent says in a few words what would become of a session.
func intent(f wire.Forecast) string {
	text := map[string]string{
		wire.OutcomeCreated: "is made", wire.OutcomeChanged: "changes", wire.OutcomeRecreated: "is taken down and made anew",
		wire.OutcomeExpired: "is taken down", wire.OutcomeDeleted: "is taken down",
		wire.OutcomePending: "cannot be made: " + f.Problem, wire.OutcomeUnknown: "cannot be told of: " + f.Problem,
		wire.OutcomeUnchanged: "stays as it is until it is deleted",
	}[f.Outcome]
	if f.Outcome == wire.OutcomeUnchanged && len(f.Fields) > 0 {
		text += ": a running session cannot take what has changed in " + strings.Join(f.Fields, ", ")
	}
	if f.Outcome == wire.OutcomeChanged && f.Left != "" {
		text = "is not as wanted"
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return text
}

// remarks are what else is to be said of a session.
func remarks(f wire.Forecast) (list []string) {
	if f.Left != "" {
		list = append(list, "it is left so: "+f.Left)
	}
	if f.Waits != "" {
		list = append(list, "that waits for "+f.Waits)
	}
	if f.Problem != "" && f.Outcome == wire.OutcomeRecreated {
		list = append(list, "and then cannot be made: "+f.Problem)
	}
	if len(f.Fields) > 0 && f.Outcome == wire.OutcomeChanged {
		list = append(list, "what has changed in "+strings.Join(f.Fields, ", ")+" it cannot take before it is deleted")
	}
	return list
}

// because is the reason of a step, if it is not plain from what becomes of the session.
func because(f wire.Forecast, s wire.Step) string {
	plain := f.Outcome != wire.OutcomeChanged && (s.Operation == wire.OperationCreate || s.Operation == wire.OperationDestroy)
	if plain || s.Owner != "" && s.Operation == wire.OperationCreate {
		return ""
	}
	return s.Reason
}

// sumOf sums forecasts up in a sentence.
func sumOf(list []wire.Forecast) string {
	outcomes, steps := map[string]int{}, map[string]int{}
	for _, f := range list {
		if f.Left != "" {
			outcomes["left"]++
			continue
		}
		outcomes[f.Outcome]++
		for _, s := range f.Steps {
			steps[s.Operation]++
		}
	}
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, text))
		}
	}
	add(outcomes[wire.OutcomeCreated], "to make")
	add(outcomes[wire.OutcomeChanged], "to change")
	add(outcomes[wire.OutcomeRecreated], "to make anew")
	add(outcomes[wire.OutcomeExpired]+outcomes[wire.OutcomeDeleted], "to take down")
	add(outcomes["left"], "left as they are")
	add(outcomes[wire.OutcomePending], "that cannot be made")
	add(outcomes[wire.OutcomeUnknown], "that cannot be told of")
	text := "Sessions: " + strings.Join(parts, ", ") + "."
	parts = nil
	add(steps[wire.OperationCreate], "to make")
	add(steps[wire.OperationAmend], "to change")
	add(steps[wire.OperationDestroy], "to take down")
	if len(parts) > 0 {
		text += " Objects: " + strings.Join(parts, ", ") + "."
	}
	return text
}
