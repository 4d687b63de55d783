package view

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice.dev/cmd/schroot/internal/names"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// The chroots of testdata/schroot.conf, as manifests have them. The other files
// there are what schroot 1.6.13 printed of them.
func chroots() []wire.Chroot {
	overlay := &spec.Union{Type: spec.UnionOverlay}
	profile := func(name string) *spec.Reference { return &spec.Reference{Name: name} }
	list := []wire.Chroot{
		{Name: "rt-btr", Spec: spec.ChrootSpec{
			Source:     spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: "/srv/b/sid", SnapshotDirectory: "/srv/b/snap"}},
			ProfileRef: profile("minimal"), Personality: "linux32", Environment: &spec.Environment{Filter: "^(SECRET_.*)$"},
		}},
		{Name: "rt-dir", Spec: spec.ChrootSpec{
			Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/bb"}}, Union: &spec.Union{Type: spec.UnionNone},
			ProfileRef: profile("minimal"), Access: &spec.Access{Groups: []string{"sbuild"}},
		}},
		{Name: "rt-dirov", Spec: spec.ChrootSpec{
			Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/bb"}}, Union: overlay, Description: "Directory + overlay",
			ProfileRef: profile("minimal"), Aliases: []string{"default", "second"}, CommandPrefix: []string{"/bin/env", "FOO=bar"},
			Access: &spec.Access{
				Users: []string{"bob"}, RootUsers: []string{"root"}, RootGroups: []string{"sbuild"},
				Source: &spec.SourceAccess{Users: []string{"carol"}, RootGroups: []string{"sbuild", "staff"}},
			},
		}},
		{Name: "rt-file", Spec: spec.ChrootSpec{
			Source: spec.Source{File: &spec.FileSource{Path: "/srv/x.tar.gz"}}, ProfileRef: profile("buildd"), Access: &spec.Access{RootGroups: []string{"sbuild"}},
		}},
		{Name: "rt-loop", Spec: spec.ChrootSpec{
			Source: spec.Source{Loopback: &spec.LoopbackSource{Path: "/srv/x.img", MountOptions: []string{"noatime"}}, Location: "/root"}, Union: overlay,
			ProfileRef: profile("buildd"), Shell: "/bin/dash",
		}},
		{Name: "rt-loop-rw", Spec: spec.ChrootSpec{
			Source: spec.Source{Loopback: &spec.LoopbackSource{Path: "/srv/x.img"}}, Union: &spec.Union{Type: spec.UnionNone}, ProfileRef: profile("minimal"),
		}},
		{Name: "rt-lvm", Spec: spec.ChrootSpec{
			Source:     spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{VolumeGroup: "vg", LogicalVolume: "lv", Size: "2G", MountOptions: []string{"noatime"}}},
			ProfileRef: profile("minimal"), Union: &spec.Union{Type: spec.UnionNone},
		}},
		{Name: "rt-plain", Annotations: map[string]string{
			"schroot.coppice.dev/preserve-environment": "true", "schroot.coppice.dev/message-verbosity": "quiet", "schroot.coppice.dev/user-modifiable-keys": "rt.flavour,rt.other",
			"schroot.coppice.dev/rt.flavour": "vanilla", "schroot.coppice.dev/users": "nobody", "other.example/rt.flavour": "no",
		}, Spec: spec.ChrootSpec{
			Source: spec.Source{Plain: &spec.PlainSource{Path: "/srv/pp"}}, Description: "A plain one", ProfileRef: profile("default"), Access: &spec.Access{Users: []string{"bob"}},
		}},
	}
	for i := range list {
		c := &spec.Chroot{Spec: list[i].Spec}
		spec.Default(c)
		list[i].Spec = c.Spec
	}
	return list
}

func facts() []Facts {
	var all []Facts
	for _, c := range chroots() {
		all = append(all, OfChroot(c))
	}
	for _, c := range chroots() {
		if f, is := OfSource(c); is {
			all = append(all, f)
		}
	}
	return all
}

func golden(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func same(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("line %d differs:\n got %q\nwant %q", i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
}

func TestInfo(t *testing.T) {
	same(t, Info(facts()), withoutInnerPaths(golden(t, "info.txt")))
}

func TestConfig(t *testing.T) {
	want := golden(t, "config.txt")
	head, _, _ := strings.Cut(want, "\n")
	when, err := time.Parse("02 Jan 2006", head[strings.LastIndex(head, " on ")+4:])
	if err != nil {
		t.Fatal(err)
	}
	all := facts()
	slices.Reverse(all)
	same(t, Config(all, when), want)
	same(t, Config(nil, when), head+"\n\n")
}

func TestList(t *testing.T) {
	all := Collect(facts())
	for block := range strings.SplitSeq(strings.TrimPrefix(golden(t, "list.txt"), "$ "), "$ ") {
		command, want, _ := strings.Cut(block, "\n")
		of, aliases := []names.Namespace{names.Chroot, names.Source}, true
		switch {
		case strings.Contains(command, "--all-chroots"):
			of = of[:1]
		case strings.Contains(command, "--all-source"):
			of = of[1:]
		case strings.Contains(command, "--exclude"):
			aliases = false
		}
		var got strings.Builder
		for _, n := range all.Names(aliases, of...) {
			fmt.Fprintln(&got, n)
		}
		if got.String() != want {
			t.Errorf("%s:\n%s\nwant\n%s", command, got.String(), want)
		}
	}
}

func TestFind(t *testing.T) {
	all := Collect(facts())
	for text, want := range map[string]string{
		"chroot:rt-dir": "chroot:rt-dir", "chroot:default": "chroot:rt-dirov", "source:second": "source:rt-dirov",
		"chroot:default-source": "source:rt-dirov", "chroot:rt-dirov-source": "source:rt-dirov",
		"source:rt-plain": "", "source:rt-dir": "", "session:rt-dir": "", "chroot:none": "",
	} {
		n, _ := names.Parse(text, names.Chroot)
		f, found := all.Find(n)
		if got := f.String(); found != (want != "") || found && got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, found, want)
		}
	}
}

func TestSession(t *testing.T) {
	uid := 1000
	s := wire.Session{
		Name: "s-1-abc", Annotations: map[string]string{names.Annotation: "S_1", names.Selected: "second"},
		Owner: &uid, OwnerName: "alice", OwnerIsRoot: true, Chroot: "rt-dirov", Spec: chroots()[2].Spec, Root: "/run/coppice/sessions/s-1-abc/root",
	}
	s.Spec.Description, s.Spec.Aliases = "", nil // which a session is not made of
	same(t, Info([]Facts{OfSession(s)}), golden(t, "session-info.txt"))
	config := Config([]Facts{OfSession(s)}, time.Now())
	for _, line := range []string{
		"[S_1]", "root-users=alice", "users=", "root-groups=", "mount-location=/run/coppice/sessions/s-1-abc/root",
		"name=S_1", "original-name=rt-dirov", "selected-name=second", "type=directory", "union-type=overlay", "description= (session chroot)",
	} {
		if !strings.Contains(config, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, config)
		}
	}
	// One that is not root's in its own, one of a source, one of a manifest.
	s.OwnerIsRoot = false
	if f := OfSession(s); len(f.RootUsers) > 0 || !slices.Equal(f.Users, []string{"alice"}) {
		t.Errorf("lists %v", f.lists)
	}
	s.Source = true
	if OfSession(s).Purged {
		t.Error("a session that opens the source is no copy")
	}
	s.Owner = nil
	if f := OfSession(s); !slices.Equal(f.Users, []string{"bob"}) || !slices.Equal(f.RootGroups, []string{"sbuild"}) {
		t.Errorf("lists %v of a session that a manifest asks for", f.lists)
	}
}
