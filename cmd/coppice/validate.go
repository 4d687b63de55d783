package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newValidate(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE|FOLDER...",
		Short: "Say what is wrong with manifests",
		Long: `Say what is wrong with manifests, one line a problem. Nothing is asked of a
controller. The exit code is 0 if they are good, 1 if something is wrong, 2 if
they cannot be read.`,
		Example: `  coppice validate session.yaml
  kustomize build . | coppice validate -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("what is to be validated? Name a file, a folder, or - for standard input")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			inputs, err := c.readInputs(args)
			if err != nil {
				return &codeError{exitUsage, err}
			}
			if c.report(inputs) > 0 {
				return errProblems
			}
			list, err := objects(inputs)
			if err != nil {
				return &codeError{exitUsage, err}
			}
			for _, o := range list {
				fmt.Fprintf(c.out, "%s is good\n", referenceTo(o))
			}
			return nil
		},
	}
}
