package args

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// What schroot 1.6.13 was seen to make of it, word for word.
func TestParse(t *testing.T) {
	for line, want := range map[string]Options{
		"":                              {},
		"-l":                            {Action: List},
		"--list -a":                     {Action: List, AllChroots: true, AllSources: true, AllSessions: true},
		"--all-sessions --list --quiet": {Action: List, AllSessions: true, Quiet: true},
		"--all-se -l":                   {Action: List, AllSessions: true},
		"-l --all-source-chroots --exclude-aliases": {Action: List, AllSources: true, ExcludeAliases: true},

		"--info":                               {Action: Info},
		"-c chroot:sid --begin-session":        {Action: Begin, Chroots: []string{"chroot:sid"}},
		"--info --chroot session:x":            {Action: Info, Chroots: []string{"session:x"}},
		"-c x --end-session":                   {Action: End, Chroots: []string{"x"}},
		"--config --chroot sid":                {Action: Config, Chroots: []string{"sid"}},
		"--location --chroot session:x":        {Action: Location, Chroots: []string{"session:x"}},
		"-e -f -c x":                           {Action: End, Force: true, Chroots: []string{"x"}},
		"--verbose --chroot=session:x --end-s": {Action: End, Verbose: true, Chroots: []string{"session:x"}},
		"-d /build -c x --run-session -q -u root -p -- perl -e 1": {
			Action: Run, Directory: "/build", Chroots: []string{"x"}, Quiet: true, User: "root", Preserve: true, Command: []string{"perl", "-e", "1"},
		},
		"-d / -c x --run-session -q --isolate-network -u me -p -- true": {
			Action: Run, Directory: "/", Chroots: []string{"x"}, Quiet: true, Network: true, User: "me", Preserve: true, Command: []string{"true"},
		},
		"--run-session --quiet --directory=/ --chroot x --user=root -- sh -ec true": {
			Action: Run, Quiet: true, Directory: "/", Chroots: []string{"x"}, User: "root", Command: []string{"sh", "-ec", "true"},
		},
		"--quiet --begin-session --chroot sid --session-name adt-1": {Action: Begin, Quiet: true, Chroots: []string{"sid"}, Name: "adt-1"},
		"-c source:sid -u root /finish.sh":                          {Chroots: []string{"source:sid"}, User: "root", Command: []string{"/finish.sh"}},
		"-a -u root -d /root -- apt-get update":                     {AllChroots: true, AllSources: true, AllSessions: true, User: "root", Directory: "/root", Command: []string{"apt-get", "update"}},

		"-crt-dir pwd":           {Chroots: []string{"rt-dir"}, Command: []string{"pwd"}},
		"-c=rt-dir pwd":          {Chroots: []string{"=rt-dir"}, Command: []string{"pwd"}},
		"-qc rt-dir pwd":         {Quiet: true, Chroots: []string{"rt-dir"}, Command: []string{"pwd"}},
		"-qcrt-dir -- pwd":       {Quiet: true, Chroots: []string{"rt-dir"}, Command: []string{"pwd"}},
		"-c a -c b -l":           {Action: List, Chroots: []string{"a", "b"}},
		"--direc /tmp ls":        {Directory: "/tmp", Command: []string{"ls"}},
		"--chroot=a=b -l":        {Action: List, Chroots: []string{"a=b"}},
		"-c x ls -- -l":          {Chroots: []string{"x"}, Command: []string{"ls", "-l"}},
		"-c x -- ls -- -l":       {Chroots: []string{"x"}, Command: []string{"ls", "--", "-l"}},
		"-qp -c x pwd -l":        {Action: List, Quiet: true, Preserve: true, Chroots: []string{"x"}, Command: []string{"pwd"}},
		"-c -- -l":               {Action: List, Chroots: []string{"--"}},
		"-c --list -l":           {Action: List, Chroots: []string{"--list"}},
		"-c -lfoo -l":            {Action: List, Chroots: []string{"-lfoo"}},
		"-debug":                 {Directory: "ebug"},
		"-c x -":                 {Chroots: []string{"x"}, Command: []string{"-"}},
		"-c x -- ":               {Chroots: []string{"x"}},
		"-o a.b=c=d -o e -c x":   {Chroots: []string{"x"}, Set: []Pair{{"a.b", "c=d"}, {"e", ""}}},
		"-s /bin/sh -c x":        {Shell: "/bin/sh", Chroots: []string{"x"}},
		"--debug=notice -V":      {Action: Version},
		"--automatic-session -c": {},
		"-c x -a -l": {Action: List, Chroots: []string{"x"}, Warnings: []Message{
			{"--chroot and --all may not be used at the same time", "Using --chroots only"},
		}},
		"-q -v -l": {Action: List, Verbose: true, Warnings: []Message{
			{"--quiet and --verbose may not be used at the same time", "Using verbose output"},
		}},
		"-r -c x --session": {}, "-h": {Action: Help},
	} {
		words := strings.Split(line, " ")
		if line == "" {
			words = nil
		}
		got, err := Parse(words)
		if strings.HasSuffix(line, "-c") || strings.HasSuffix(line, "--session") { // of which a value is missing
			if err == nil {
				t.Errorf("%s: no error", line)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("schroot %s:\n got %+v, %v\nwant %+v", line, got, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	const usage = Usage
	for line, want := range map[string]Message{
		"--bogus":               {"unrecognised option '--bogus'", ""},
		"--bogus=1":             {"unrecognised option '--bogus=1'", ""},
		"-Z":                    {"unrecognised option '-Z'", ""},
		"-qZ":                   {"unrecognised option '-qZ'", ""},
		"-ql=x":                 {"unrecognised option '-ql=x'", ""},
		"-c x ---":              {"unrecognised option '---'", ""},
		"-c":                    {"the required argument for option '--chroot' is missing", ""},
		"-c -l":                 {"the required argument for option '--chroot' is missing", ""},
		"--sess":                {"the required argument for option '--session-name' is missing", ""},
		"--o":                   {"the required argument for option '--option' is missing", ""},
		"--chroot= -l":          {"the argument for option '--chroot' should follow immediately after the equal sign", ""},
		"--version=":            {"the argument for option '--version' should follow immediately after the equal sign", ""},
		"--quiet=yes -l":        {"option '--quiet' does not take any arguments", ""},
		"--al":                  {"option '--al' is ambiguous and matches '--all', '--all-chroots', '--all-sessions', and '--all-source-chroots'", ""},
		"--all-s":               {"option '--all-s' is ambiguous and matches '--all-sessions', and '--all-source-chroots'", ""},
		"--c":                   {"option '--c' is ambiguous and matches '--chroot', '--command', and '--config'", ""},
		"-q -q -l":              {"option '--quiet' cannot be specified more than once", ""},
		"-d /a -d /b ls":        {"option '--directory' cannot be specified more than once", ""},
		"--isolate -c x":        {"unrecognised option '--isolate'", ""},
		"-l -i":                 {"Only one action may be specified", usage},
		"-h -l":                 {"Only one action may be specified", usage},
		"-e -b -c x":            {"Only one action may be specified", usage},
		"-b":                    {"Exactly one chroot must be specified when beginning a session", usage},
		"-b -c a -c b":          {"Exactly one chroot must be specified when beginning a session", usage},
		"-b -c a -n b/c":        {"Invalid session name", usage},
		"-b -c a -n x.dpkg-old": {"Invalid session name", usage},
		"-n x -c a ls":          {"--session-name is not permitted for the specified action", usage},
		"-i -n x":               {"--session-name is not permitted for the specified action", usage},
		"-r -c a -n x ls":       {"--session-name is not permitted for the specified action; did you mean to use --chroot?", usage},
		"--debug=bogus":         {"Invalid debug level", usage},
	} {
		_, err := Parse(strings.Split(line, " "))
		refused, is := errors.AsType[*Error](err)
		if !is || refused.Message != want {
			t.Errorf("schroot %s: %v, want %+v", line, err, want)
		}
	}
}

func TestEmptyWords(t *testing.T) {
	for _, row := range []struct {
		words []string
		want  Options
	}{
		{[]string{"-u", "", "-d", "", "ls"}, Options{Command: []string{"ls"}}},
		{[]string{"-b", "-c", "x", "-n", ""}, Options{Action: Begin, Chroots: []string{"x"}}},
		{[]string{"-c", "", "-l"}, Options{Action: List, Chroots: []string{""}}},
		{[]string{"--", ""}, Options{}},
		{[]string{"--", "", "x"}, Options{}},
		{[]string{"ls", ""}, Options{Command: []string{"ls", ""}}},
	} {
		if got, err := Parse(row.words); err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%q: %+v, %v; want %+v", row.words, got, err, row.want)
		}
	}
}
