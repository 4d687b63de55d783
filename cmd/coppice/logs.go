package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/presence"
)

// logsOptions say what of the journal is printed, and how.
type logsOptions struct {
	names                []string
	since, output, where string
	tail                 int
	follow               bool
}

// logsOutputs are the words for -o of logs.
var logsOutputs = []string{"text", "json"}

func newLogs(c *cli) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs SESSION...",
		Short: "Print what the controller logged about sessions, and what their hooks said",
		Long: `Print what the controller logged about sessions, and what their hooks said, the oldest
first; of sessions that are gone, too. It is read from systemd's journal, where a
coppiced writes that is started by systemd: coppice keeps no log of its own. Who may read
that journal says the system: root, and the groups adm and systemd-journal.

What happened last to an object that is there is in coppice events also without a journal.`,
		Example: `  coppice logs build-1
  coppice logs -f build-1 --since 5m
  coppice logs build-1 --tail 20 -o json | jq -r .message`,
		ValidArgsFunction: c.completeSessions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(cmd, args); err != nil {
				return err
			}
			return c.logs(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on and print what is logged")
	cmd.Flags().StringVar(&o.since, "since", "", "only what is newer: 5m, 2h, or a time as journalctl takes it, such as yesterday or \"2026-11-27 12:00\"")
	cmd.Flags().IntVar(&o.tail, "tail", -1, "only the last lines; -1 for all")
	cmd.Flags().StringVarP(&o.where, "directory", "D", "", "a folder of journal files, instead of this machine's journal")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", strings.Join(logsOutputs, " or "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(logsOutputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// parse reads what was given.
func (o *logsOptions) parse(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("of which session? Try %s SESSION; coppice get sessions lists them", cmd.CommandPath())
	case !slices.Contains(logsOutputs, o.output):
		return usagef("-o %s: want %s", o.output, strings.Join(logsOutputs, " or "))
	case o.tail < -1:
		return usagef("--tail %d: want a number of lines, or -1 for all", o.tail)
	}
	for _, arg := range args {
		ref := sessionReference(arg)
		if ref.name == "" {
			return usagef("%q names no session", arg)
		}
		o.names = append(o.names, ref.name)
	}
	return nil
}

// journalctl is how the journal is asked. Entries of others than root are left out: anybody
// may write any field.
func (o *logsOptions) journalctl(runDirs []string) []string {
	args := []string{"--output=json", "--no-pager", "--all",
		"--output-fields=" + strings.Join([]string{entrySession, entryText, entryHook, entryError, entryReason, entryType, entryPriority, entryMessage}, ",")}
	if o.where != "" {
		args = append(args, "--directory="+o.where)
	}
	if d, err := time.ParseDuration(o.since); err == nil {
		args = append(args, fmt.Sprintf("--since=-%ds", int(d.Abs().Seconds())))
	} else if o.since != "" {
		args = append(args, "--since="+o.since)
	}
	if o.tail >= 0 {
		args = append(args, "--lines="+strconv.Itoa(o.tail))
	} else if o.follow {
		args = append(args, "--no-tail")
	}
	if o.follow {
		args = append(args, "--follow")
	}
	args = append(args, "_UID=0")
	for _, dir := range runDirs {
		args = append(args, "COPPICE_RUN_DIR="+dir)
	}
	for _, name := range o.names {
		args = append(args, entrySession+"="+name)
	}
	return args
}

// logs prints what the journal holds about sessions.
func (c *cli) logs(ctx context.Context, o logsOptions) error {
	if o.where == "" {
		if err := c.journaled(o.names[0]); err != nil {
			return err
		}
	}
	dir, err := filepath.Abs(c.runDir)
	if err != nil {
		return err
	}
	dirs := []string{dir}
	if direct, err := filepath.EvalSymlinks(dir); err == nil && direct != dir {
		dirs = append(dirs, direct)
	}
	cmd := exec.CommandContext(ctx, "journalctl", o.journalctl(dirs)...)
	cmd.Stderr = c.errOut
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return errors.New("there is no journalctl here, by which the journal is read; what happened last is in coppice events session/" + o.names[0])
	} else if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	printed, err := c.printLogs(out, o)
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil: // Ctrl-C is how -f ends
		return nil //nolint:nilerr // what that broke off is no failure
	case err != nil:
		return fmt.Errorf("read the journal: %w", err)
	case ended != nil && printed == 0:
		return fmt.Errorf("read the journal: journalctl: %w", ended)
	case printed == 0:
		return c.unlogged(o)
	}
	return nil
}

// journaled explains where the log is if it is not in the journal.
func (c *cli) journaled(name string) error {
	facts, _, err := presence.Look(c.runDir)
	if err != nil || facts.Log == "journal" || facts.Log == "" {
		return nil //nolint:nilerr // the journal may know all the same
	}
	where := "its log goes where it was started to write: " + facts.Log
	if filepath.IsAbs(facts.Log) && !strings.HasPrefix(facts.Log, "/dev/") {
		where = fmt.Sprintf("its log is %s; try grep '\"session\": \"%s\"' %s", facts.Log, name, facts.Log)
	}
	return fmt.Errorf("coppiced does not log to systemd's journal here: %s. Started by systemd, or with --log-format journal, it does. What happened last is in coppice events session/%s", where, name)
}

// unlogged explains that there is nothing.
func (c *cli) unlogged(o logsOptions) error {
	if len(o.names) == 1 && o.since == "" && o.where == "" {
		ref := sessionReference(o.names[0])
		if _, err := c.one(ref); err != nil {
			return fmt.Errorf("the journal holds nothing about a session %q: %w", ref.name, err)
		}
	}
	fmt.Fprintln(c.errOut, "Nothing was logged about it that you may read.")
	return nil
}

// printLogs prints entries as they come, and returns how many there were.
func (c *cli) printLogs(from io.Reader, o logsOptions) (n int, err error) {
	out := c.output()
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(strings.TrimSpace(string(line))) > 0 {
			e, err := parseEntry(line)
			if err != nil {
				return n, err
			}
			n++
			if o.output == "json" {
				err = encodeLine(c.out, e)
			} else {
				_, err = fmt.Fprintln(out, e.line(out.Screen, len(o.names) > 1))
			}
			if err != nil {
				return n, err
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
	}
}
