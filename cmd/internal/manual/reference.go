package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// writeReference writes the reference of a command into a folder.
func writeReference(root *cobra.Command, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, root.Name()+".md"), []byte(Reference(root)), 0o644)
}

// Reference tells of a command, and of each of its own, in one document in Markdown. It
// says what the help says, word by word.
func Reference(root *cobra.Command) string {
	root.InitDefaultHelpCmd()
	root.CompletionOptions.HiddenDefaultCmd = true
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nWritten by `make generate`, of the command itself; `%s --help` says the same.\n", root.Name(), root.Name())
	if all := documented(root); len(all) > 1 {
		b.WriteString("\n| command | what it does |\n| --- | --- |\n")
		for _, c := range all {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), c.Short)
		}
	}
	for _, c := range documented(root) {
		section(&b, c)
	}
	return b.String()
}

// documented are a command and those below that people are told of, by name.
func documented(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	children := slices.SortedFunc(slices.Values(cmd.Commands()), func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, c := range children {
		if c.IsAvailableCommand() && c.Name() != "completion" && c.Name() != "help" {
			list = append(list, documented(c)...)
		}
	}
	return list
}

// section writes what is known of one command.
func section(b *strings.Builder, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	fmt.Fprintf(b, "\n## %s\n\n%s\n", cmd.CommandPath(), signs.Replace(cmd.Short))
	about := []struct{ what, text string }{
		{"Usage", cmd.UseLine()},
		{"", cmd.Long},
		{"Examples", cmd.Example},
		{"Options", cmd.NonInheritedFlags().FlagUsages()},
	}
	for _, a := range about {
		text := strings.Trim(a.text, "\n")
		if strings.TrimSpace(text) == "" || text == cmd.Short {
			continue
		}
		if a.what != "" {
			fmt.Fprintf(b, "\n%s:\n", a.what)
		}
		fmt.Fprintf(b, "\n```text\n%s\n```\n", text)
	}
}
