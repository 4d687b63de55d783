package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/spec/schema"
)

// schemaForms are the words for coppice schema -o.
var schemaForms = []string{"json", "crd"}

func newSchema(c *cli) *cobra.Command {
	var form, folder string
	cmd := &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the schemas that other tools check manifests with",
		Long: `Print the schema of a kind, or without one the schema that takes any of them.

-o json is a JSON Schema (draft 7), for editors and kubeconform; -o crd is a
CustomResourceDefinition, for an API server. Both are generated from the types that
the controller reads manifests into. --dir writes all of them into a folder, under
the names that kubeconform looks for.

Editors that know YAML's language server find the schema by a manifest's first line:
# yaml-language-server: $schema=schemas/manifest_v1alpha1.json`,
		Example: `  coppice schema --dir schemas
  kubeconform -strict -schema-location 'schemas/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json' *.yaml
  coppice schema -o crd | kubectl apply -f -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("one kind at a time, please, or none for all of them")
			}
			return nil
		},
		ValidArgsFunction: completeKinds,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(schemaForms, form) {
				return usagef("-o %s: want one of %s", form, strings.Join(schemaForms, ", "))
			}
			kinds := schema.Kinds()
			if len(args) > 0 {
				n, err := parseNoun(args[0])
				if err != nil {
					return err
				}
				if !slices.Contains(kinds, n.kind) {
					return usagef("nobody writes %s: there are schemas of %s", n.plural, strings.ToLower(strings.Join(kinds, ", ")))
				}
				kinds = []string{n.kind}
			}
			if folder != "" {
				return c.writeSchemas(folder, form, kinds, len(args) == 0)
			}
			if form == "json" && len(args) == 0 {
				kinds = []string{""}
			}
			for _, kind := range kinds {
				if _, err := c.out.Write(textOf(form, kind)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&form, "output", "o", "json", strings.Join(schemaForms, " or "))
	cmd.Flags().StringVar(&folder, "dir", "", "write files into this folder, which is made if need be")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(schemaForms, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// textOf returns a schema; of any kind for "", which only JSON has.
func textOf(form, kind string) []byte {
	if form == "crd" {
		return schema.CRD(kind)
	}
	return schema.JSON(kind)
}

// writeSchemas writes a file for each kind, and says which; all adds the one that takes
// all of them.
func (c *cli) writeSchemas(folder, form string, kinds []string, all bool) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make folder for schemas: %w", err)
	}
	if all && form == "json" {
		kinds = append(kinds, "")
	}
	for _, kind := range kinds {
		name := schema.FileName(kind)
		if form == "crd" {
			name = schema.CRDFileName(kind)
		}
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, textOf(form, kind), 0o644); err != nil {
			return fmt.Errorf("write schema: %w", err)
		}
		fmt.Fprintln(c.out, path)
	}
	return nil
}

// completeKinds offers the kinds that people write.
func completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, kind := range schema.Kinds() {
		names = append(names, nounOf(kind).singular)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
