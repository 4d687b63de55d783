package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/cmd/internal/version"
	"coppice.dev/reconcile/kernel/survey"
	"coppice.dev/reconcile/layout"
	"coppice.dev/status"
)

// What a controller watches and writes that nobody has told anything else.
const (
	defaultStateDir    = "/var/lib/coppice"
	defaultManifestDir = "/etc/coppice/manifests.d"
)

// areaDaemon is what of the daemon is looked at.
const areaDaemon = "coppiced"

func newDoctor(c *cli) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what the machine lacks, and what to install or set",
		Long: `Look at the machine: the kernel, its file systems, programs that are called, limits,
the folders of the controller, and the controller itself. What is missing is told with
what that means and what to do about it. Nothing is changed.

A problem keeps sessions from being made; a note is of something that not everybody
needs. The exit code is 1 if there is a problem.`,
		Example: `  coppice doctor
  coppice doctor -o json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if output != "text" && output != "json" {
				return usagef("-o %s: want text or json", output)
			}
			findings := c.survey()
			if output == "json" {
				text, err := json.MarshalIndent(map[string]any{"findings": findings}, "", "    ")
				if err != nil {
					return err
				}
				fmt.Fprintln(c.out, string(text))
			} else {
				printFindings(c.output(), findings)
			}
			for _, f := range findings {
				if f.Level == survey.Bad {
					return &codeError{code: exitFailure}
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// survey looks at the machine, and at the controller on it.
func (c *cli) survey() []survey.Finding {
	facts, running, err := presence.Look(c.runDir)
	machine := survey.Machine{
		Root: "/", Layout: layout.Layout{State: cmp.Or(facts.StateDir, defaultStateDir), Run: c.runDir},
		Manifests: facts.ManifestDirs, UpperImages: facts.UpperImages,
	}
	if len(machine.Manifests) == 0 {
		machine.Manifests = []string{defaultManifestDir}
	}
	return append(machine.Look(), c.daemonFindings(facts, running, err)...)
}

// daemonFindings says how the controller is.
func (c *cli) daemonFindings(facts presence.Facts, running bool, err error) []survey.Finding {
	f := survey.Finding{Area: areaDaemon, What: "daemon", Level: survey.Good}
	switch {
	case err != nil:
		f.Level, f.Found, f.Advice = survey.Bad, "not known", fmt.Sprintf("look for it: %v", err)
	case !running:
		f.Level, f.Found, f.Advice = survey.Worth, "not running on "+c.runDir, "start it: systemctl start coppiced; or is --run-dir (COPPICE_RUN_DIR) not its own?"
	case facts.Version != version.Number():
		f.Level, f.Found = survey.Worth, fmt.Sprintf("version %s, pid %d", facts.Version, facts.PID)
		f.Advice = fmt.Sprintf("this command is version %s; restart the daemon, which touches no session: systemctl restart coppiced", version.Number())
	default:
		f.Found = fmt.Sprintf("version %s, pid %d", facts.Version, facts.PID)
	}
	found := []survey.Finding{f}
	for _, noun := range []string{kindFolder, kindManifest} {
		files, err := c.all(nounOf(noun))
		if err != nil {
			continue // there is no daemon, which was said
		}
		for _, file := range files {
			if file.Status.Phase != status.Ready {
				found = append(found, survey.Finding{
					Area: areaDaemon, What: nounOf(noun).singular, Level: survey.Worth, Found: file.Metadata.Name, Advice: why(file.Status),
				})
			}
		}
	}
	return found
}

// printFindings prints what was found, an area at a time, and the sum of it.
func printFindings(out terminal.Output, findings []survey.Finding) {
	const indent = 30 // where what was found stands
	styles := map[survey.Level]terminal.Style{survey.Good: terminal.Good, survey.Worth: terminal.Waiting, survey.Bad: terminal.Bad}
	area, sum := "", map[survey.Level]int{}
	for _, f := range findings {
		if f.Area != area {
			area = f.Area
			fmt.Fprintln(out, out.Paint(terminal.Strong, area))
		}
		sum[f.Level]++
		level := fmt.Sprintf("%-8s", f.Level)
		fmt.Fprintf(out, "  %s %-18s %s\n", out.Paint(styles[f.Level], level), f.What, f.Found)
		if f.Advice == "" {
			continue
		}
		lines := strings.Split(f.Advice, "\n")
		if room := out.Columns - indent; room >= indent {
			lines = terminal.Wrap(f.Advice, room)
		}
		for _, line := range lines {
			fmt.Fprintln(out, strings.Repeat(" ", indent)+line)
		}
	}
	fmt.Fprintf(out, "\n%s, %s, %d as they should be.\n", count(sum[survey.Bad], "problem"), count(sum[survey.Worth], "note"), sum[survey.Good])
}
