package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/spec"
	"coppice.dev/spec/schema"
)

// lineWidth is how wide text is that people read, as kubectl has it.
const lineWidth = 80

func newExplain(c *cli) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "explain KIND[.FIELD...]",
		Short: "Say what can be written in a manifest",
		Long: `Say what a field of a manifest is for, what it may hold, and what fields it has.
Nothing is asked of a controller: it is what this program itself takes.`,
		Example: `  coppice explain session
  coppice explain session.spec.chroot.union
  coppice explain profile.spec.mounts
  coppice explain chroot.spec --recursive`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("what is to be explained? Try coppice explain session.spec")
			}
			return nil
		},
		ValidArgsFunction: completeFields,
		RunE: func(_ *cobra.Command, args []string) error {
			word, rest, deeper := strings.Cut(strings.TrimRight(args[0], "."), ".")
			n, err := parseNoun(word)
			if err != nil {
				return err
			}
			if !slices.Contains(schema.Kinds(), n.kind) {
				return usagef("nobody writes %s; try coppice explain session", n.plural)
			}
			var path []string
			if deeper {
				path = strings.Split(rest, ".")
			}
			field, err := schema.Find(n.kind, path)
			if err != nil {
				return usagef("%v", err)
			}
			printExplanation(c.out, n.kind, field, len(path) > 0, recursive)
			return nil
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "list the fields of the fields too, without their descriptions")
	return cmd
}

// printExplanation prints what is known of a field, in kubectl's form.
func printExplanation(w io.Writer, kind string, f schema.Field, below, recursive bool) {
	fmt.Fprintf(w, "KIND:       %s\nVERSION:    %s\n\n", kind, spec.APIVersion)
	if below {
		fmt.Fprintf(w, "FIELD: %s <%s>%s\n\n", f.Name, f.Type, requiredMark(f))
	}
	fmt.Fprintln(w, "DESCRIPTION:")
	printField(w, f, "    ")
	if len(f.Fields) == 0 {
		return
	}
	fmt.Fprintln(w, "FIELDS:")
	if recursive {
		printFieldTree(w, f.Fields, "  ")
		return
	}
	for _, child := range f.Fields {
		fmt.Fprintf(w, "  %s\t<%s>%s\n", child.Name, child.Type, requiredMark(child))
		printField(w, child, "    ")
	}
}

// printField prints what a field is for and what it may hold.
func printField(w io.Writer, f schema.Field, indent string) {
	for paragraph := range strings.SplitSeq(f.Description, "\n") {
		printText(w, indent, paragraph)
	}
	if len(f.Values) > 0 {
		printText(w, indent, "One of: "+strings.Join(f.Values, ", "))
	}
	for _, rule := range f.Rules {
		printText(w, indent, "Rule: "+rule)
	}
	fmt.Fprintln(w)
}

// printText breaks a text into lines.
func printText(w io.Writer, indent, text string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(indent) && len(line)+1+len(word) > lineWidth {
			fmt.Fprintln(w, line)
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(w, line)
}

func printFieldTree(w io.Writer, fields []schema.Field, indent string) {
	for _, f := range fields {
		fmt.Fprintf(w, "%s%s\t<%s>%s\n", indent, f.Name, f.Type, requiredMark(f))
		printFieldTree(w, f.Fields, indent+"  ")
	}
}

func requiredMark(f schema.Field) string {
	if f.Required {
		return " -required-"
	}
	return ""
}

// completeFields offers the fields below what is written already.
func completeFields(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	word, rest, deeper := strings.Cut(toComplete, ".")
	if len(args) > 0 {
		return nil, directive
	}
	if !deeper {
		names, _ := completeKinds(nil, nil, "")
		return names, directive
	}
	n, err := parseNoun(word)
	if err != nil || !slices.Contains(schema.Kinds(), n.kind) {
		return nil, directive
	}
	path := strings.Split(rest, ".")
	field, err := schema.Find(n.kind, path[:len(path)-1])
	if err != nil {
		return nil, directive
	}
	var names []string
	for _, child := range field.Fields {
		names = append(names, strings.Join(append(append([]string{word}, path[:len(path)-1]...), child.Name), "."))
	}
	return names, directive
}
