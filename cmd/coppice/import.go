package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/internal/schrootspec"
	"coppice.dev/manifests"
)

// schrootFolder is where schroot's configuration is.
const schrootFolder = "/etc/schroot"

func newImport(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import schroot",
		Short: "Turn the configuration of another program into manifests",
		Args:  subcommand,
		RunE: func(*cobra.Command, []string) error {
			return usagef("what is to be imported? Try coppice import schroot")
		},
	}
	cmd.AddCommand(newImportSchroot(c))
	return cmd
}

func newImportSchroot(c *cli) *cobra.Command {
	var to string
	var idle time.Duration
	cmd := &cobra.Command{
		Use:   "schroot [FOLDER]",
		Short: "Turn schroot's configuration into manifests",
		Long: `Turn schroot's configuration (/etc/schroot unless a folder is named) into
manifests: a Chroot for each of its chroots, and a Profile for each profile that
they use. They are printed, or with -o written into a folder, a file each. Nothing
is asked of a controller, and schroot's files stay as they are.

What has no counterpart is told in comments above each manifest; what cannot be
used at all is written as a comment. What is wrong with schroot's own files is
told with file and line; the exit code is 1 if that includes something that schroot
refuses.

Sessions that schroot begins last until they are ended, also when what began them
was killed. With --idle-timeout those of the imported chroots end when nobody was
inside for that long.`,
		Example: `  coppice import schroot | less
  coppice import schroot -o /etc/coppice/manifests.d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("one folder at a time, please: %s takes no %q after %q", cmd.CommandPath(), args[1], args[0])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			folder := schrootFolder
			if len(args) > 0 {
				folder = args[0]
			}
			if _, err := atMost("--idle-timeout", idle); err != nil {
				return err
			}
			return c.importSchroot(folder, to, idle)
		},
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "the folder to write a file each into, instead of printing")
	_ = cmd.MarkFlagDirname("output")
	cmd.Flags().DurationVar(&idle, "idle-timeout", 0, "end sessions that the command schroot begins when nobody was inside for this long")
	return cmd
}

func (c *cli) importSchroot(folder, to string, idle time.Duration) error {
	folder, err := filepath.Abs(folder) // hooks run from anywhere
	if err != nil {
		return fmt.Errorf("import from schroot: %w", err)
	}
	configuration, err := schrootconf.Read(folder)
	if err != nil {
		return err
	}
	refused := 0
	for _, p := range configuration.Problems {
		severity := "W: "
		if p.Refused {
			refused, severity = refused+1, "E: "
		}
		fmt.Fprintln(c.errOut, severity+p.String())
	}
	documents := schrootspec.Import(configuration, configuration.Profile)
	if idle > 0 {
		schrootspec.EndIdle(documents, idle)
	}
	if to != "" {
		err = c.writeDocuments(documents, to)
	} else {
		err = printDocuments(c.out, documents)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.errOut, importSummary(configuration, documents))
	if refused > 0 {
		return errProblems
	}
	return nil
}

// printDocuments prints a stream of documents.
func printDocuments(w io.Writer, documents []schrootspec.Document) error {
	for i, d := range documents {
		text := d.Text()
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("print manifests: %w", err)
		}
	}
	return nil
}

// unusable ends the name of a file with a manifest that is all comment, so that
// no controller reads it.
const unusable = ".refused"

// writeDocuments writes a file for each document, and tells of those it changed.
func (c *cli) writeDocuments(documents []schrootspec.Document, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make folder for manifests: %w", err)
	}
	for _, d := range documents {
		text := d.Text()
		key := manifests.Key{Kind: d.Object.GetKind(), Name: d.Object.GetName()}
		path := filepath.Join(folder, manifests.FileName(key))
		if len(d.Refused) > 0 {
			if err := os.WriteFile(path+unusable, text, 0o644); err != nil {
				return fmt.Errorf("write manifest: %w", err)
			}
			fmt.Fprintf(c.out, "%s cannot be used: see %s\n", key, path+unusable)
			continue
		}
		changed, err := manifests.Drop(folder, key, text)
		if err != nil {
			return err
		}
		did := "unchanged"
		if changed {
			did = "written"
		}
		fmt.Fprintf(c.out, "%s %s\n", key, did)
	}
	return nil
}

// importSummary says in a few lines what was made of the configuration.
func importSummary(configuration schrootconf.Configuration, documents []schrootspec.Document) string {
	made, notes := map[string]int{}, 0
	var refused []string
	for _, d := range documents {
		notes += len(d.Notes)
		if len(d.Refused) > 0 {
			refused = append(refused, fmt.Sprintf("%s (%s)", d.Object.GetName(), d.Refused[0]))
			continue
		}
		made[d.Object.GetKind()]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s of schroot's in %s: %s and %s made",
		count(len(configuration.Chroots), "chroot"), count(len(configuration.Files), "file"), count(made["Chroot"], "Chroot"), count(made["Profile"], "Profile"))
	if notes > 0 {
		fmt.Fprintf(&b, "; %s in comments about what is not the same", count(notes, "note"))
	}
	for _, r := range refused {
		b.WriteString("\ncannot be used: " + r)
	}
	return b.String()
}

// count puts a number before a word.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
