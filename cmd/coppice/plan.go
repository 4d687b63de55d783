package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/reconcile/plan"
)

func newPlan(c *cli) *cobra.Command {
	var files []string
	var output string
	cmd := &cobra.Command{
		Use:   "plan [-f FILE|FOLDER|-]",
		Short: "Show what the controller would make, change and take down",
		Long: `Show what the controller would make (+), change (~), make anew (-/+) and take down
(-) if those manifests were there: of the sessions in them, and of those that are
grown from their chroots and profiles. Without -f it is what is still to be done about
the manifests that are there. The machine is looked at, by the controller's own
planner, and nothing is done.

The exit code is 0 if there is nothing to do, 1 if there is something, 2 if that
cannot be told.`,
		Example: `  coppice plan
  kustomize build . | coppice plan -f -`,
		Args: onlyFiles,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usagef("-o %s: want text or json", output)
			}
			texts, err := c.manifestsOf(files)
			if err != nil {
				return err
			}
			list, err := c.daemon().Plan(cmd.Context(), texts)
			if err != nil {
				return &codeError{exitUsage, c.explain(err)}
			}
			if output == "json" {
				if err := encode(c.out, wire.Forecasts{Items: list}, "json", false); err != nil {
					return err
				}
			} else {
				printForecasts(c.out, list)
			}
			for _, f := range list {
				if f.Problem != "" || len(f.Steps) > 0 {
					return &codeError{code: exitFailure}
				}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file, folder, or - for standard input; may be given more than once")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// manifestsOf returns the texts of what the files ask for, one an object.
func (c *cli) manifestsOf(files []string) ([]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	list, err := c.asked(files)
	if err != nil {
		if err == errProblems { //nolint:errorlint // it is this one itself
			return nil, &codeError{code: exitUsage}
		}
		return nil, &codeError{exitUsage, err}
	}
	var texts []string
	for _, o := range list {
		text, err := yaml.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", referenceTo(o), err)
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// signs are how people are told what a step does.
var signs = map[string]string{string(plan.Create): "+", string(plan.Amend): "~", string(plan.Destroy): "-", "Hold": "!"}

// printForecasts prints what would be done, session by session, and the sum of it.
func printForecasts(w io.Writer, list []wire.Forecast) {
	sum := map[string]int{}
	for _, f := range list {
		if f.Problem == "" && len(f.Steps) == 0 && len(f.Fields) == 0 {
			continue
		}
		fmt.Fprintf(w, "session/%s %s\n", f.Session, intent(f))
		for _, s := range f.Steps {
			sum[s.Operation]++
			where := s.Address
			if s.Owner != "" {
				where = s.Owner + " " + s.Address
			}
			line := fmt.Sprintf("  %s %-26s %s", signs[s.Operation], where, s.Reason)
			if s.Name != "" && s.Operation != string(plan.Create) {
				line += " (" + s.Name + ")"
			}
			fmt.Fprintln(w, line)
		}
		fmt.Fprintln(w)
	}
	if len(sum) == 0 {
		fmt.Fprintln(w, "Nothing is to be done.")
		return
	}
	fmt.Fprintf(w, "%d to make, %d to change, %d to take down", sum[string(plan.Create)], sum[string(plan.Amend)], sum[string(plan.Destroy)])
	if n := sum["Hold"]; n > 0 {
		fmt.Fprintf(w, ", %d left as they are", n)
	}
	fmt.Fprintln(w, ". Nothing was done.")
}

// intent says in a few words what would become of a session.
func intent(f wire.Forecast) string {
	var text string
	switch {
	case f.Problem != "":
		return "is not made: " + f.Problem
	case f.Gone:
		text = "goes, since no manifest asks for it"
	case f.Anew:
		text = "is ended and made anew, since it cannot take what has changed in " + strings.Join(f.Fields, ", ")
	case len(f.Fields) > 0:
		text = "keeps what it has of " + strings.Join(f.Fields, ", ") + " until it is deleted"
	case len(f.Steps) > 0 && f.Steps[0].Operation == string(plan.Create) && f.Steps[0].Address == homeAddress:
		text = "begins"
	default:
		text = "changes"
	}
	if f.Left != "" && len(f.Steps) > 0 {
		text += "; but that is left undone: " + f.Left
	}
	return text
}

// homeAddress is the first thing that is made of a session.
const homeAddress = "0-home/home"
