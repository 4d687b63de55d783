package early

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// FuzzParse has package cobra read the same words: whatever parse is sure of, both must
// have read alike.
func FuzzParse(f *testing.F) {
	for _, words := range []string{
		"exec s -- ls -l", "exec s ls", "exec -iT -u games --directory /d s", "exec -pugames s -t", "exec s a -- -- b", "exec --user -- s",
		"--run-dir /r exec s", "--run-dir=/r exec --run-dir=/q s", "exec s -u", "exec -t=false s", "exec s -", "exec s ---",
		"exec s --=a", "-- exec s", "exec s exec", "exec  s", "exec -u  s",
	} {
		f.Add(words)
	}
	f.Add(strings.Join([]string{"--run-dir", "exec", "exec", "s"}, " "))
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, " ")
		got, ok := parse(words)
		if !ok {
			return
		}
		want, err := byCobra(words)
		if err != nil {
			t.Fatalf("%q: %+v, where cobra says %v", words, got, err)
		}
		if got.Options != want.Options || got.runDir != want.runDir || got.session != want.session || !slices.Equal(got.args, want.args) {
			t.Errorf("%q: %+v, where cobra reads %+v", words, got, want)
		}
	})
}

// byCobra reads the words as main does.
func byCobra(words []string) (c call, err error) {
	root := &cobra.Command{Use: "coppice", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVar(&c.runDir, RunDirFlag, RunDir(), "")
	exec := &cobra.Command{Use: "exec", RunE: func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			c.session, c.args = args[0], args[1:]
		}
		return nil
	}}
	for _, f := range c.Flags() {
		if f.Bool != nil {
			exec.Flags().BoolVarP(f.Bool, f.Name, f.Short, false, f.Usage)
		} else {
			exec.Flags().StringVarP(f.Text, f.Name, f.Short, "", f.Usage)
		}
	}
	root.AddCommand(exec)
	root.SetArgs(words)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return c, root.Execute()
}
