package early

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Setenv(RunDirVariable, "")
	for _, row := range []struct {
		words string
		ok    bool
		want  call
	}{
		{"exec s -- ls -l", true, call{runDir: DefaultRunDir, session: "s", args: []string{"ls", "-l"}}},
		{"exec s ls", true, call{runDir: DefaultRunDir, session: "s", args: []string{"ls"}}},
		{"exec s", true, call{runDir: DefaultRunDir, session: "s"}},
		{"exec s a -- -- b", true, call{runDir: DefaultRunDir, session: "s", args: []string{"a", "--", "b"}}},
		{"exec s -", true, call{runDir: DefaultRunDir, session: "s", args: []string{"-"}}},
		{"--run-dir /r exec s", true, call{runDir: "/r", session: "s"}},
		{"exec s --run-dir=/r -- --run-dir /q", true, call{runDir: "/r", session: "s", args: []string{"--run-dir", "/q"}}},
		{"exec -iT -u games --directory /d s", true, call{runDir: DefaultRunDir, session: "s", Options: Options{Input: true, NoTerminal: true, User: "games", Folder: "/d"}}},
		{"exec -pugames s -t", true, call{runDir: DefaultRunDir, session: "s", Options: Options{Preserve: true, User: "games", Terminal: true}}},
		{"exec --user -- s", true, call{runDir: DefaultRunDir, session: "s", Options: Options{User: "--"}}},
		{words: ""}, {words: "version"}, {words: "shell s"}, {words: "run s exec"}, {words: "exec"}, {words: "exec -- s"},
		{words: "-- exec s"}, {words: "exec s ls -l"}, {words: "exec -h s"}, {words: "exec --help"}, {words: "exec s --userx=a"},
		{words: "exec s -u"}, {words: "exec s --user"}, {words: "exec --tty=false s"}, {words: "exec -t=false s"}, {words: "exec -u=a s"},
		{words: "exec session/s"}, {words: "--color always exec s"}, {words: "-i exec s"}, {words: "__complete exec s"}, {words: "exec -é s"},
	} {
		got, ok := parse(strings.Fields(row.words))
		if ok != row.ok {
			t.Errorf("%q: ok %t", row.words, ok)
		} else if ok && (got.Options != row.want.Options || got.runDir != row.want.runDir || got.session != row.want.session || !slices.Equal(got.args, row.want.args)) {
			t.Errorf("%q: %+v, want %+v", row.words, got, row.want)
		}
	}
	if _, ok := parse([]string{"exec", "", "s"}); ok {
		t.Error("a session without a name was taken for one")
	}
}
