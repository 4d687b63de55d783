// Package manual makes what a package needs beside a command: its pages of the
// manual and what shells complete it by, of the command itself, so that they
// cannot tell of anything else.
//
// It is linked into a command that is built with the tag "manual" only, which does
// nothing but write them; see packaging/manual.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Become writes the manual of the command to the folder that is the program's only
// argument, and ends the program. The section is the manual's: 1, or 8 for daemons.
func Become(root *cobra.Command, section string) {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s FOLDER\nThis %s was built to write its manual, and can do nothing else.\n", os.Args[0], root.Name())
		os.Exit(2)
	}
	if err := Write(root, section, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "write the manual of %s: %v\n", root.Name(), err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Write writes pages below man/, of the command and of each of its own, completions
// below bash/, zsh/ and fish/, under the names that these look for, and all in one
// document below reference/. The
// pages' date is that of SOURCE_DATE_EPOCH, if it is set.
func Write(root *cobra.Command, section, folder string) error {
	if err := writeReference(root, filepath.Join(folder, "reference")); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // who generated it, and when
	root.CompletionOptions.HiddenDefaultCmd = true
	plain(root)
	pages := filepath.Join(folder, "man", "man"+section)
	completions := map[string]func(path string) error{
		"bash/" + root.Name():           func(path string) error { return root.GenBashCompletionFileV2(path, true) },
		"zsh/_" + root.Name():           root.GenZshCompletionFile,
		"fish/" + root.Name() + ".fish": func(path string) error { return root.GenFishCompletionFile(path, true) },
	}
	for _, path := range []string{pages, filepath.Join(folder, "bash"), filepath.Join(folder, "zsh"), filepath.Join(folder, "fish")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	for name, write := range completions {
		if err := write(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return doc.GenManTreeFromOpts(root, doc.GenManTreeOptions{
		Path: pages, CommandSeparator: "-",
		Header: &doc.GenManHeader{Section: section, Source: "Coppice", Manual: "Coppice"},
	})
}

// plain makes what a command says of itself into the Markdown that the pages are
// made of: there a line that begins with spaces is as it was written, and a sign
// means nothing.
func plain(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.Short, cmd.Long = escaped(cmd.Short), escaped(cmd.Long)
	for _, c := range cmd.Commands() {
		plain(c)
	}
}

// escaped takes the meaning from the signs of Markdown, but in lines that are
// indented by four, which Markdown takes as they are; by two is as much, here.
func escaped(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if after, indented := strings.CutPrefix(line, "  "); indented {
			lines[i] = "    " + after
			continue
		}
		lines[i] = signs.Replace(line)
	}
	return strings.Join(lines, "\n")
}

var signs = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`", "[", `\[`)
