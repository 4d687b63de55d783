package main

import (
	"github.com/spf13/cobra"

	"coppice.dev/status"
)

// completeObjects offers a kind first, then the names of its objects.
func (c *cli) completeObjects(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		var words []string
		for _, n := range nouns {
			words = append(words, n.plural)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	n, err := parseNoun(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.names(n), cobra.ShellCompDirectiveNoFileComp
}

// completeFirst offers the names of objects of one kind as the first argument.
func (c *cli) completeFirst(kind string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return c.names(nounOf(kind)), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeReferences offers KIND/NAME of sessions.
func (c *cli) completeReferences(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, n := range nouns {
		if n.kind == kindManifest {
			continue
		}
		for _, name := range c.names(n) {
			words = append(words, reference{n, name}.String())
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) names(n noun) []string {
	files, err := status.List(c.layout().Status(), n.kind)
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Metadata.Name)
	}
	return names
}
