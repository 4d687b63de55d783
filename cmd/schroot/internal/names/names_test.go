package names

import (
	"strings"
	"testing"

	"coppice.dev/spec"
)

func TestLabel(t *testing.T) {
	seen := map[string]string{}
	for name, want := range map[string]string{
		"build-1": "build-1",
		"bookworm-amd64-sbuild-2a6f9392-12fb-4c10-84dd-6b9ecdc09566": "bookworm-amd64-sbuild-2a6f9392-12fb-4c10-84dd-6b9ecdc09566",
		"S_1":                   "s-1-",
		"s.1":                   "s-1-",
		"s_1":                   "s-1-",
		"autopkgtest-a~b":       "autopkgtest-a-b-",
		"x-":                    "x-",
		"_":                     "session-",
		strings.Repeat("a", 63): strings.Repeat("a", 63),
		strings.Repeat("a", 64): strings.Repeat("a", 52) + "-",
		"bookworm-amd64-sbuild-2a6f9392-12fb-4c10-84dd-6b9ecdc09566-piuparts": "bookworm-amd64-sbuild-2a6f9392-12fb-4c10-84dd-6b9ecd-",
		"äö": "session-",
	} {
		got := Label(name)
		if !spec.ValidName(got) || got != Label(name) {
			t.Errorf("%s: %q is no name", name, got)
		}
		if spec.ValidName(name) != (got == name) || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if other, is := seen[got]; is {
			t.Errorf("%s and %s are both %s", name, other, got)
		}
		seen[got] = name
	}
}

func TestParse(t *testing.T) {
	for _, row := range []struct {
		text  string
		usual Namespace
		want  string
		ok    bool
	}{
		{"sid", Chroot, "chroot:sid", true},
		{"sid", Session, "session:sid", true},
		{"chroot:sid", Session, "chroot:sid", true},
		{"source:sid", Chroot, "source:sid", true},
		{":sid", Chroot, "chroot:sid", true},
		{"session:a:b", Chroot, "session:a:b", true},
		{"foo:sid", Chroot, "foo:sid", false},
		{"", Chroot, "chroot:", true},
	} {
		if got, ok := Parse(row.text, row.usual); got.String() != row.want || ok != row.ok {
			t.Errorf("%q: %s, %v; want %s, %v", row.text, got, ok, row.want, row.ok)
		}
	}
}

func TestValid(t *testing.T) {
	for name, want := range map[string]bool{
		"sid": true, "S_1": true, "a.b-c": true, "0": true, strings.Repeat("a", 255): true,
		"": false, "-a": false, ".a": false, "a/b": false, "a:b": false, "a b": false, "a~b": false, "x.dpkg-old": false, strings.Repeat("a", 256): false,
	} {
		if got := Valid(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
