package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/status"
)

// occupant is somebody inside a session.
type occupant struct {
	Session string `json:"session"`
	status.Lease
}

func newPs(c *cli) *cobra.Command {
	var output string
	var noHeaders bool
	cmd := &cobra.Command{
		Use:   "ps [SESSION...]",
		Short: "List who is inside of which session",
		Long: `List the commands that somebody was let in with, and processes that are inside
without having been: the session, the oldest process, who asked for it, since
when, and what.`,
		Example: `  coppice ps
  coppice ps build-1 -o json`,
		ValidArgsFunction: c.completeSessions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(psOutputs, output) {
				return usagef("-o %s: want one of %s", output, strings.Join(psOutputs, ", "))
			}
			files, err := c.daemon().List(cmd.Context(), "sessions")
			if err != nil {
				return c.explain(err)
			}
			list, err := occupants(files, args)
			if err != nil {
				return err
			}
			return c.printOccupants(list, output, noHeaders)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", strings.Join(psOutputs, ", "))
	cmd.Flags().BoolVar(&noHeaders, "no-headers", false, "leave out the line with the columns' names")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(psOutputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// psOutputs are the words for -o of ps.
var psOutputs = []string{"table", "json", "yaml"}

// occupants returns who is inside, of all sessions or of those that are named.
func occupants(files []status.File, args []string) ([]occupant, error) {
	list := []occupant{}
	var names []string
	for _, arg := range args {
		ref := sessionReference(arg)
		if !slices.ContainsFunc(files, func(f status.File) bool { return f.Metadata.Name == ref.name }) {
			return nil, fmt.Errorf("there is no session %q, or none that you may see%s", ref.name, hint(nearest(ref.name, namesOf(files))))
		}
		names = append(names, ref.name)
	}
	for _, f := range files {
		if len(names) > 0 && !slices.Contains(names, f.Metadata.Name) {
			continue
		}
		for _, lease := range f.Status.Leases {
			list = append(list, occupant{f.Metadata.Name, lease})
		}
	}
	return list, nil
}

func namesOf(files []status.File) (names []string) {
	for _, f := range files {
		names = append(names, f.Metadata.Name)
	}
	return names
}

func (c *cli) printOccupants(list []occupant, output string, noHeaders bool) error {
	if output != "table" {
		return encode(c.out, list, output, false)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.errOut, "Nobody is inside.")
		return nil
	}
	var rows [][]terminal.Cell
	if !noHeaders {
		rows = append(rows, terminal.Cells("SESSION", "PID", "USER", "SINCE", "COMMAND"))
	}
	now := time.Now()
	for _, o := range list {
		rows = append(rows, terminal.Cells(o.Session, strconv.Itoa(o.PID), orDash(printable(o.User)), age(&o.Since, now), orDash(printable(o.Command))))
	}
	return newTable(c.output()).Print(rows...)
}

// printable makes what those inside may have chosen harmless to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
