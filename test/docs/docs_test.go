package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	text := "# A\n\n```sh\none\n\ntwo\n```\ntext\n```output\nsaid\n```\n- in a list\n  ````yaml title=x\n  a: b\n    c\n  ```\n  ````\n```\nplain\n```\n"
	got, err := Parse("a.md", text)
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{
		{"a.md", 4, "sh", "one\n\ntwo\n"},
		{"a.md", 10, "output", "said\n"},
		{"a.md", 14, "yaml", "a: b\n  c\n```\n"},
		{"a.md", 19, "", "plain\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Parse("a.md", "text\n```sh\nfor ever\n"); err == nil || !strings.Contains(err.Error(), "a.md:3") {
		t.Errorf("a block without an end: %v", err)
	}
}

// run runs a document's commands and returns what they said.
func run(t *testing.T, text string) (string, []error, error) {
	t.Helper()
	blocks, err := Parse("docs/a.md", text)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range Script(blocks) {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", filepath.Join(folder, "run"), folder)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	return string(out), Check(blocks, string(out)), err
}

func TestScript(t *testing.T) {
	const text = "```sh\na=1; cd /\nf() { echo \"f $1\"; }\n```\n```sh\nf $a; pwd\ncat <<'E'\n  it's $a\nE\ncat; echo oops >&2\n```\n" +
		"```output\nf 1\n/\n  it's $a\noops\n```\n```python\nno\n```\n```sh\nfalse || true; seq 5\n```\n```output\n1\n...\n5\n```\n"
	out, problems, err := run(t, text)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v\n%s", err, problems, out)
	}
}

func TestScriptFails(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a command":         {"x\n```sh\ntrue\necho before\nfalse\necho after\n```\n", "FAILED docs/a.md:5: false"},
		"in a later block":  {"```sh\ntrue\n```\n\n```sh\n\ngrep x /dev/null\n```\n", "FAILED docs/a.md:7: grep x /dev/null"},
		"in a pipe":         {"```sh\nfalse | cat\n```\n", "FAILED docs/a.md:2: "},
		"in a function":     {"```sh\nf() {\n  false\n}\nf\n```\n", "FAILED docs/a.md:3: false"},
		"an unknown one":    {"```sh\nno-such-command\n```\n", "FAILED docs/a.md:2: no-such-command"},
		"exit":              {"```sh\nexit 3\n```\n", ""},
		"a mistake in bash": {"```sh\ntrue\nif\n```\n", "docs/a.md: line "},
	} {
		out, _, err := run(t, c.text)
		if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "after") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		want, got string
		alike     bool
	}{
		"the same":                {"a\nb\n", "a\nb\n", true},
		"spaces at the end":       {"a\nb\n", "a  \nb\n\n", true},
		"another":                 {"a\n", "b\n", false},
		"more":                    {"a\n", "a\nb\n", false},
		"less":                    {"a\nb\n", "a\n", false},
		"anything in a line":      {"took ... s, ok\n", "took 17 s, ok\n", true},
		"nothing in a line":       {"a...b\n", "ab\n", true},
		"too short for both ends": {"aba...aba\n", "aba\n", false},
		"several":                 {"a ... c ... e\n", "a b c d e\n", true},
		"in the wrong order":      {"a ... c ... b ...\n", "a b c\n", false},
		"any lines":               {"a\n...\nd\n", "a\nb\nc\nd\n", true},
		"no lines":                {"a\n...\nd\n", "a\nd\n", true},
		"any lines at the end":    {"a\n...\n", "a\nb\n", true},
		"lines, then another":     {"a\n...\nd\n", "a\nb\n", false},
		"nothing at all":          {"\n", "", true},
	} {
		if alike(c.want, c.got) != c.alike {
			t.Errorf("%s: %q and %q: want %v", name, c.want, c.got, c.alike)
		}
	}
	blocks := []Block{{"a", 1, "output", "x\n"}, {"a", 5, "sh", "true\n"}, {"a", 9, "output", "x\n"}}
	if problems := Check(blocks, mark+"a:5\ny\n"); len(problems) != 2 {
		t.Errorf("want two problems: %v", problems)
	}
}
