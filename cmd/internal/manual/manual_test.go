package manual

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// tree is a command with one below it.
func tree() *cobra.Command {
	root := &cobra.Command{
		Use: "axe", Short: "Cut wood", Run: func(*cobra.Command, []string) {},
		Long: "Cuts *all* that is_in <folder>, and [some] of `it`:\n\n  axe --now   at once\n",
	}
	sub := &cobra.Command{Use: "sharpen STONE", Short: "Make it *sharp*", Run: func(*cobra.Command, []string) {}}
	sub.Flags().Int("angle", 20, "of the edge, in degrees")
	root.AddCommand(sub)
	return root
}

// written writes the manual and returns all of it.
func written(t *testing.T) map[string]string {
	t.Helper()
	folder := t.TempDir()
	if err := Write(tree(), "8", folder); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, folder+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWrite(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	files := written(t)
	for name, wants := range map[string][]string{
		"man/man8/axe.8": {
			`.TH "AXE" "8" "Nov 2023" "Coppice" "Coppice"`, "Cuts *all* that is_in <folder>, and [some] of `it`:", "axe --now   at once",
			"axe-sharpen(8)",
		},
		"man/man8/axe-sharpen.8": {"Make it *sharp*", `\fB--angle\fP=20`, "of the edge, in degrees"},
		"reference/axe.md": {
			"# axe\n", "| [`axe sharpen`](#axe-sharpen) | Make it *sharp* |", "## axe sharpen\n\nMake it \\*sharp\\*\n", "axe --now   at once\n```",
			"axe sharpen STONE [flags]", "--angle int   of the edge, in degrees (default 20)",
		},
		"bash/axe":      {"__start_axe"},
		"zsh/_axe":      {"#compdef axe"},
		"fish/axe.fish": {"complete -c axe"},
	} {
		for _, want := range wants {
			if !strings.Contains(files[name], want) {
				t.Errorf("%s lacks %q:\n%s", name, want, files[name])
			}
		}
		delete(files, name)
	}
	for name := range files {
		t.Errorf("it wrote %s too", name)
	}
}

func TestWriteTwice(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if diff := cmp.Diff(written(t), written(t)); diff != "" {
		t.Errorf("the second time it is another manual:\n%s", diff)
	}
}
