package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/spec"
)

// TestNeedsRecreate changes one thing after another in what a session was
// admitted with.
func TestNeedsRecreate(t *testing.T) {
	const (
		chroot  = `{source: {loopback: {path: /b.img, offset: 512}}, union: {upper: {medium: Memory, size: 1Gi}}, profileRef: {name: build}}`
		profile = `{mounts: [{type: proc}, {type: tmpfs, target: /tmp, size: 1Gi}], copyFiles: [/a]}`
		whole   = `{chrootRef: {name: c}, ttl: 1h, profile: {mounts: [{type: shm}]}}`
	)
	admit := func(t *testing.T, chroot, profile, body string, ephemeral bool) spec.Admitted {
		t.Helper()
		refs := spec.References{Chroots: map[string]*spec.Chroot{}, Profiles: map[string]*spec.Profile{}}
		for _, o := range objects(t, manifest("Chroot", "c", chroot)+manifest("Chroot", "other", chroot)+
			manifest("Profile", "build", profile)+manifest("Profile", "spare", profile)) {
			switch o := o.(type) {
			case *spec.Chroot:
				refs.Chroots[o.Name] = o
			case *spec.Profile:
				refs.Profiles[o.Name] = o
			}
		}
		a, err := spec.Admit(session(t, body), refs, ephemeral)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, row := range []struct {
		name                     string
		chroot, profile, session string // old=new, or nothing
		ephemeral                bool
		want                     []string
	}{
		{name: "nothing"},
		{name: "a size in other words", chroot: "1Gi=1024Mi", profile: "1Gi=1024Mi"},
		{name: "own part", session: `ttl: 1h=ttl: 2h, idleTimeout: 3h, retainOnFailure: true, expose: None, user: bob, deletionPolicy: Wait, gracePeriod: 1s, environment: {set: {A: b}}, updateStrategy: Recreate`},
		{name: "own mounts", session: `{type: shm}={type: shm, size: 1Mi}, {type: sysfs}`},
		{name: "how commands run", chroot: "profileRef=shell: /bin/zsh, personality: linux32, access: {users: [bob]}, description: x, profileRef"},
		{name: "another chroot", session: "name: c=name: other", want: []string{"spec.chrootRef.name"}},
		{name: "a chroot of its own", session: "chrootRef: {name: c}=chroot: {source: {directory: {path: /}}}", want: []string{"spec.chroot"}},
		{name: "what its hooks are told", session: "ttl: 1h=hookEnvironment: {A: b}", want: []string{"spec.hookEnvironment"}},
		{name: "source", chroot: "offset: 512=offset: 1024", want: []string{"chroot c: spec.source.loopback.offset"}},
		{name: "kind of source", chroot: "loopback: {path: /b.img, offset: 512}=directory: {path: /b}", want: []string{"chroot c: spec.source.directory", "chroot c: spec.source.loopback"}},
		{name: "union", chroot: "size: 1Gi=size: 2Gi", want: []string{"chroot c: spec.union.upper.size"}},
		{name: "volatile by its folder", ephemeral: true, want: []string{"chroot c: spec.union.volatile"}},
		{name: "the chroot's profile", chroot: "name: build=name: spare", want: []string{"chroot c: spec.profileRef.name"}},
		{name: "the session's profile", session: "ttl: 1h=profileRef: {name: spare}", want: []string{"spec.profileRef.name"}},
		{name: "an entry of the profile", profile: "size: 1Gi=size: 2Gi", want: []string{"profile build: spec.mounts[1].size"}},
		{name: "the profile's lists", profile: "[/a]=[/a, /b], hooks: [{name: h, file: /h}]", want: []string{"profile build: spec.copyFiles", "profile build: spec.hooks"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			change := func(text, how string) string {
				if how == "" {
					return text
				}
				before, after, _ := strings.Cut(how, "=")
				if !strings.Contains(text, before) {
					t.Fatalf("no %q in %s", before, text)
				}
				return strings.Replace(text, before, after, 1)
			}
			running := admit(t, chroot, profile, whole, false)
			wanted := admit(t, change(chroot, row.chroot), change(profile, row.profile), change(whole, row.session), row.ephemeral)
			if diff := cmp.Diff(row.want, spec.NeedsRecreate(running, wanted)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFieldsOfAnInlineChroot(t *testing.T) {
	admit := func(path string) spec.Admitted {
		a, err := spec.Admit(session(t, `{chroot: {source: {directory: {path: `+path+`}}}}`), spec.References{}, false)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if diff := cmp.Diff([]string{"spec.chroot.source.directory.path"}, spec.NeedsRecreate(admit("/a"), admit("/b"))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// What a session may write grows while it runs, and only that.
func TestResized(t *testing.T) {
	admit := func(union string) spec.Admitted {
		a, err := spec.Admit(session(t, `{chroot: {source: {directory: {path: /a}}, union: {`+union+`}}}`), spec.References{}, false)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	const size = "spec.chroot.union.upper.size"
	for _, row := range []struct {
		name, running, wanted string
		left                  []string // the fields that still differ, if it grows and does not shrink
		shrunk                []string // if it does
	}{
		{"as it is", "upper: {size: 1Gi}", "upper: {size: 1024Mi}", nil, nil},
		{"larger", "upper: {size: 1Gi}", "upper: {size: 2Gi}", nil, nil},
		{"smaller", "upper: {size: 2Gi}", "upper: {size: 1Gi}", []string{size}, nil},
		{"no limit any more", "upper: {size: 2Gi}", "", []string{size}, []string{size}},
		{"a limit after all", "", "upper: {size: 2Gi}", []string{size}, []string{size}},
		{"more memory", "upper: {medium: Memory, size: 1Gi}", "upper: {medium: Memory, size: 2Gi}", []string{size}, []string{size}},
		{"from memory to disk", "upper: {medium: Memory, size: 1Gi}", "upper: {size: 2Gi}", []string{"spec.chroot.union.upper.medium", size}, []string{"spec.chroot.union.upper.medium", size}},
		{"larger, and something else", "upper: {size: 1Gi}", "upper: {size: 2Gi}, lowers: [/b]", []string{"spec.chroot.union.lowers"}, []string{"spec.chroot.union.lowers"}},
	} {
		running, wanted := admit(row.running), admit(row.wanted)
		before := *running.Chroot.Union.Upper
		for shrinks, want := range map[bool][]string{false: row.left, true: row.shrunk} {
			if diff := cmp.Diff(want, spec.NeedsRecreate(running.Resized(wanted, shrinks), wanted)); diff != "" {
				t.Errorf("%s, and it shrinks is %t: fields (-want +got):\n%s", row.name, shrinks, diff)
			}
		}
		if diff := cmp.Diff(before, *running.Chroot.Union.Upper); diff != "" {
			t.Errorf("%s: what runs was changed in place:\n%s", row.name, diff)
		}
	}
	other := admit("upper: {size: 2Gi}")
	other.ChrootName = "other"
	if got := admit("upper: {size: 1Gi}").Resized(other, true); got.Chroot.Union.Upper.Size.String() != "1Gi" {
		t.Error("it took over what another chroot says")
	}
}

func TestWithSession(t *testing.T) {
	running, err := spec.Admit(session(t, `{chrootRef: {name: bookworm}, ttl: 1h}`), references(t), false)
	if err != nil {
		t.Fatal(err)
	}
	now := session(t, `{chrootRef: {name: sid}, profileRef: {name: default}, ttl: 2h, expose: Tree, profile: {copyFiles: [/b]}, hookEnvironment: {A: b}}`)
	got := running.WithSession(now)
	want := running
	want.Session = now.DeepCopy().Spec
	want.Session.ChrootRef, want.Session.ProfileRef, want.Session.HookEnvironment = running.Session.ChrootRef, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("admitted (-want +got):\n%s", diff)
	}
	got.Session.Profile.CopyFiles[0] = "/changed"
	if now.Spec.Profile.CopyFiles[0] != "/b" {
		t.Error("it shares a list with the manifest")
	}
}
