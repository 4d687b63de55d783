package schrootconf_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/cmd/internal/schrootconf"
)

// TestProblems compares what is said of mistakes; that schroot 1.6.13 refuses or
// warns was tried with the program itself.
func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		want    string
		refused bool
	}{
		"good":          {text: "# about\n\n[a]\ntype=directory\ndirectory=/a\nrt.x-y=1\ndescription[fr]=ici\n"},
		"section's end": {text: "[a] # about\ndirectory=/a\n"},
		"no section":    {"x=1\n[a]\ndirectory=/a\n", "f:1: x: no group specified: it comes before the first [name]", true},
		"open section":  {"[a\ndirectory=/a\n", "f:1: invalid group \"[a\": there is no ] at its end\nf:2: directory: no group specified: it comes before the first [name]", true},
		"no value":      {"[a]\ndirectory=/a\nnonsense\n", `f:3: invalid line "nonsense": want key=value`, true},
		"no key":        {"[a]\ndirectory=/a\n=x\n", `f:3: no key specified in "=x"`, true},
		"spaces":        {"[a]\ndirectory=/a\n  \n", "f:3: invalid line: it holds spaces only; schroot takes an empty line, and no such", true},
		"key twice":     {"[a]\ndirectory=/a\ndirectory=/b\n", "f:3: [a] directory: duplicate key; the first is in line 2", true},
		"name twice":    {"[a]\ndirectory=/a\n[a]\nx=y\n[b]\ndirectory=/b\n", "f:3: [a] duplicate group; the first is in line 1", true},
		"type":          {"[a]\ntype=tape\n", `f:2: [a] type: unknown chroot type "tape"`, true},
		"missing":       {"[a]\ntype=loopback\n", "f:1: [a] file: required key is missing", true},
		"name":          {"[-a]\ndirectory=/a\n", "f:1: [-a] invalid name: it is made of letters, digits, dots, dashes and underscores, with a letter or digit first", true},
		"saved name":    {"[a.dpkg-old]\ndirectory=/a\n", "f:1: [a.dpkg-old] invalid name: it is made of letters, digits, dots, dashes and underscores, with a letter or digit first", true},
		"alias":         {"[a]\ndirectory=/a\naliases=b,-c\n", `f:3: [a] aliases: alias "-c": invalid name`, true},
		"relative":      {"[a]\ndirectory=a\n", `f:2: [a] directory: "a" must have an absolute path`, true},
		"personality":   {"[a]\ndirectory=/a\nmessage-verbosity=loud\n", `f:3: [a] message-verbosity: unknown value "loud", want one of quiet, normal, verbose`, true},
		"filter":        {"[a]\ndirectory=/a\nenvironment-filter=(\n", "f:3: [a] environment-filter: not a regular expression: error parsing regexp: missing closing ): `(`", true},
		"unknown key":   {"[a]\ndirectory=/a\nbogus=1\n", "f:3: [a] bogus: not a permitted name; schroot ignores it", false},
		"space in key":  {"[a]\ndirectory=/a\nusers =b\n", "f:3: [a] users : not a permitted name: write users= without spaces before and behind it", false},
		"other type's":  {"[a]\ntype=file\nfile=/a\nunion-type=none\n", "f:4: [a] union-type: not a key of type file; schroot ignores it", false},
		"obsolete":      {"[a]\ndirectory=/a\nrun-setup-scripts=true\n", "f:3: [a] run-setup-scripts: obsolete key; it has no effect", false},
		"truth":         {"[a]\ndirectory=/a\npreserve-environment=maybe\n", `f:3: [a] preserve-environment: could not parse value "maybe", want true or false`, false},
		"signs":         {"[a]\ndirectory=/a\nx\x1b[2Jy=1\n", "f:3: [a] x?[2Jy: not a permitted name; schroot ignores it", false},
		"Windows":       {"[a]\r\ndirectory=/a\n", "f:1: the line ends as on Windows; schroot takes the sign for a part of the value: remove it, for example with dos2unix", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := schrootconf.Parse("f", []byte(test.text))
			var got []string
			refused := false
			for _, p := range problems {
				got = append(got, p.String())
				refused = refused || p.Refused
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if refused != test.refused {
				t.Errorf("schroot refuses it: %t, want %t", refused, test.refused)
			}
		})
	}
}

// TestWrite compares with what `schroot --config` 1.6.13 printed of the same.
func TestWrite(t *testing.T) {
	const given = `[d2]
type=directory
directory=/srv/d2 # no comment
union-type=overlay
rt.flavour=x
profile=sbuild
users=a,,b,
personality=linux32
bogus=1
[cu]
type=custom
script-config=desktop/config
preserve-environment=yes
command-prefix=env, a
[f]
type=file
file=/f.tar
setup.services=cron
personality=undefined
`
	const common = "environment-filter=" + schrootconf.DefaultFilter + "\n"
	const want = `# made by hand

[d2]
aliases=
command-prefix=
description=
directory=/srv/d2 # no comment
` + common + `groups=
message-verbosity=normal
personality=linux32
preserve-environment=false
profile=sbuild
root-groups=
root-modifiable-keys=
root-users=
rt.flavour=x
setup.config=sbuild/config
setup.copyfiles=sbuild/copyfiles
setup.fstab=sbuild/fstab
setup.nssdatabases=sbuild/nssdatabases
shell=
source-clone=true
source-groups=
source-root-groups=
source-root-users=
source-users=
type=directory
union-mount-options=
union-overlay-directory=/var/lib/schroot/union/overlay
union-type=overlay
union-underlay-directory=/var/lib/schroot/union/underlay
user-modifiable-keys=
users=a,b

[cu]
aliases=
command-prefix=env, a
custom-session-purgeable=false
description=
` + common + `groups=
message-verbosity=normal
preserve-environment=true
profile=
root-groups=
root-modifiable-keys=
root-users=
script-config=desktop/config
shell=
type=custom
user-modifiable-keys=
users=

[f]
aliases=
command-prefix=
description=
` + common + `file=/f.tar
groups=
location=
message-verbosity=normal
preserve-environment=false
profile=default
root-groups=
root-modifiable-keys=
root-users=
setup.config=default/config
setup.copyfiles=default/copyfiles
setup.fstab=default/fstab
setup.nssdatabases=default/nssdatabases
setup.services=cron
shell=
source-clone=true
source-groups=
source-root-groups=
source-root-users=
source-users=
type=file
user-modifiable-keys=
users=
`
	chroots, _ := schrootconf.Parse("f", []byte(given))
	var out bytes.Buffer
	if err := schrootconf.Write(&out, "made by hand", chroots); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// FuzzParse holds that any text is read to its end, and that what is written of
// it reads as the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("[a]\ntype=directory\ndirectory=/a\nunion-type=overlay\nrt.x=1\n"))
	f.Add([]byte("[a\n]=x\n[b]\nx[fr]=1\r\n=\n[b]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		chroots, problems := schrootconf.Parse("f", text)
		lines := 1 + bytes.Count(text, []byte("\n"))
		for _, p := range problems {
			if p.At.Line < 0 || p.At.Line > lines {
				t.Errorf("%s: there are %d lines", p, lines)
			}
		}
		if len(problems) > 0 {
			return
		}
		once := written(t, chroots)
		again, problems := schrootconf.Parse("f", []byte(once))
		for _, p := range problems {
			t.Errorf("written: %s", p)
		}
		if twice := written(t, again); once != twice {
			t.Errorf("written twice (-once +twice):\n%s", cmp.Diff(once, twice))
		}
	})
}

func written(t *testing.T, chroots []schrootconf.Chroot) string {
	t.Helper()
	var out bytes.Buffer
	if err := schrootconf.Write(&out, "", chroots); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
