package spec_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/spec"
)

// objects parses manifests that have no problems.
func objects(t *testing.T, text string) []spec.Object {
	t.Helper()
	documents, problems := spec.Parse("t.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var list []spec.Object
	for _, d := range documents {
		list = append(list, d.Object)
	}
	return list
}

// manifest writes an object in short.
func manifest(kind, name, body string) string {
	return "---\napiVersion: coppice.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: " + body + "\n"
}

func session(t *testing.T, body string) *spec.Session {
	t.Helper()
	return objects(t, manifest("Session", "s", body))[0].(*spec.Session)
}

const named = `{aliases: [stable, shared], source: {directory: {path: /b}}, profileRef: {name: build}, description: x}`

func references(t *testing.T) spec.References {
	t.Helper()
	refs := spec.References{Chroots: map[string]*spec.Chroot{}, Profiles: map[string]*spec.Profile{}}
	for _, o := range objects(t, manifest("Chroot", "bookworm", named)+
		manifest("Chroot", "sid", `{aliases: [shared], source: {directory: {path: /s}}, union: {volatile: false}}`)+
		manifest("Chroot", "old", `{source: {plain: {path: /o}}}`)+
		manifest("Chroot", "lost", `{source: {directory: {path: /l}}, profileRef: {name: buidl}}`)+
		manifest("Profile", "build", `{mounts: [{type: proc}], copyFiles: [/etc/hosts]}`)) {
		switch o := o.(type) {
		case *spec.Chroot:
			refs.Chroots[o.Name] = o
		case *spec.Profile:
			refs.Profiles[o.Name] = o
		}
	}
	return refs
}

func TestAdmit(t *testing.T) {
	for _, row := range []struct {
		name, session   string
		ephemeral       bool
		chroot, profile string
		volatile        bool
		err             string
	}{
		{name: "by name", session: `{chrootRef: {name: bookworm}}`, chroot: "bookworm", profile: "build"},
		{name: "by alias", session: `{chrootRef: {name: stable}}`, chroot: "bookworm", profile: "build"},
		{name: "own profile", session: `{chrootRef: {name: stable}, profileRef: {name: default}}`, chroot: "bookworm", profile: "default"},
		{name: "no profile named", session: `{chrootRef: {name: sid}}`, chroot: "sid", profile: "minimal"},
		{name: "inline", session: `{chroot: {source: {directory: {path: /}}}}`, profile: "minimal"},
		{name: "inline with a profile", session: `{chroot: {source: {directory: {path: /}}, profileRef: {name: build}}}`, profile: "build"},
		{name: "plain", session: `{chrootRef: {name: old}}`, chroot: "old"},
		{name: "volatile by its manifest", session: `{chrootRef: {name: bookworm}}`, ephemeral: true, chroot: "bookworm", profile: "build", volatile: true},
		{name: "as the chroot says", session: `{chrootRef: {name: sid}}`, ephemeral: true, chroot: "sid", profile: "minimal"},

		{name: "no such chroot", session: `{chrootRef: {name: bookwrm}}`, err: `chroot "bookwrm": there is none of that name, did you mean "bookworm"?`},
		{name: "an alias nearly", session: `{chrootRef: {name: stabel}}`, err: `did you mean "stable"?`},
		{name: "nothing near", session: `{chrootRef: {name: fedora-rawhide}}`, err: `there is none of that name; add its manifest`},
		{name: "ambiguous", session: `{chrootRef: {name: shared}}`, err: `it is an alias of bookworm and of sid; name one of them`},
		{name: "no such profile", session: `{chrootRef: {name: sid}, profileRef: {name: buildb}}`, err: `profile "buildb": there is none of that name, did you mean "build"?`},
		{name: "the chroot's profile", session: `{chrootRef: {name: lost}}`, err: `profile "buidl"`},
		{name: "plain with a profile", session: `{chrootRef: {name: old}, profileRef: {name: minimal}}`, err: `spec.profileRef: a plain chroot is used as it is`},
		{name: "plain with additions", session: `{chrootRef: {name: old}, profile: {copyFiles: [/a]}}`, err: `spec.profile: a plain chroot is used as it is`},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := spec.Admit(session(t, row.session), references(t), row.ephemeral)
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Fatalf("error %v, want %s", err, row.err)
				}
				if diff := cmp.Diff(spec.Admitted{}, a); diff != "" {
					t.Errorf("admitted in spite of it:\n%s", diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Name != "s" || a.ChrootName != row.chroot || a.ProfileName != row.profile || a.Ephemeral != row.ephemeral {
				t.Errorf("admitted %q of %q with %q, ephemeral %t", a.Name, a.ChrootName, a.ProfileName, a.Ephemeral)
			}
			if v := a.Chroot.Union.Volatile; (v != nil && *v) != row.volatile {
				t.Errorf("volatile %v, want %t", v, row.volatile)
			}
		})
	}
}

func TestErrorsOfAdmitHaveTypes(t *testing.T) {
	_, err := spec.Admit(session(t, `{chrootRef: {name: shared}}`), references(t), false)
	if r, is := errors.AsType[*spec.ReferenceError](err); !is || r.Kind != "Chroot" || r.Name != "shared" || !slices.Equal(r.Candidates, []string{"bookworm", "sid"}) {
		t.Errorf("ambiguous: %#v", err)
	}
	_, err = spec.Admit(session(t, `{chrootRef: {name: si}}`), references(t), false)
	if r, is := errors.AsType[*spec.ReferenceError](err); !is || r.Suggestion != "sid" {
		t.Errorf("misspelt: %#v", err)
	}
	_, err = spec.Admit(&spec.Session{}, references(t), false)
	if c, is := errors.AsType[*spec.ConflictError](err); !is || c.Path != "spec.chrootRef" {
		t.Errorf("nothing named: %#v", err)
	}
}

// TestAdmittedSharesNothing: what a session was admitted with stays, whatever
// becomes of the objects it came from.
func TestAdmittedSharesNothing(t *testing.T) {
	refs, s := references(t), session(t, `{chrootRef: {name: bookworm}, profile: {copyFiles: [/a]}}`)
	a, err := spec.Admit(s, refs, false)
	if err != nil {
		t.Fatal(err)
	}
	refs.Chroots["bookworm"].Spec.Source.Directory.Path = "/changed"
	refs.Profiles["build"].Spec.Mounts[0].Target = "/changed"
	s.Spec.Profile.CopyFiles[0] = "/changed"
	profile := a.EffectiveProfile()
	profile.CopyFiles[0], profile.Mounts[0].Target = "/changed", "/changed"
	if a.Chroot.Source.Directory.Path != "/b" || a.Profile.Mounts[0].Target != "/proc" || a.Session.Profile.CopyFiles[0] != "/a" || a.Profile.CopyFiles[0] != "/etc/hosts" {
		t.Errorf("admitted %+v", a)
	}
}

func TestAdmitDefaultsWhatIsNot(t *testing.T) {
	s := &spec.Session{Spec: spec.SessionSpec{ChrootRef: &spec.Reference{Name: "c"}, ProfileRef: &spec.Reference{Name: "p"}}}
	refs := spec.References{
		Chroots:  map[string]*spec.Chroot{"c": {Spec: spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/c"}}}}},
		Profiles: map[string]*spec.Profile{"p": {Spec: spec.ProfileSpec{Mounts: []spec.Mount{{Type: spec.MountShm}}}}},
	}
	a, err := spec.Admit(s, refs, false)
	if err != nil || a.Chroot.Union.Type != spec.UnionOverlay || a.Profile.Mounts[0].Target != "/dev/shm" || a.Session.Expose != spec.ExposeRoot {
		t.Errorf("%+v, %v", a, err)
	}
	if s.Spec.Expose != "" || refs.Chroots["c"].Spec.Union != nil {
		t.Error("Admit changed its arguments")
	}
}

func TestEffectiveProfile(t *testing.T) {
	a := spec.Admitted{
		Profile: spec.ProfileSpec{
			Mounts:       []spec.Mount{{Type: "proc", Target: "/proc"}, {Type: "tmpfs", Target: "/tmp"}},
			CopyFiles:    []string{"/etc/hosts"},
			NSSDatabases: []string{"passwd"},
			Hooks:        []spec.Hook{{Name: "a", File: "/a"}, {Name: "b", File: "/b"}},
		},
		Session: spec.SessionSpec{Profile: &spec.ProfileSpec{
			Mounts:       []spec.Mount{{Type: "bind", Source: "/t", Target: "/tmp/"}, {Type: "bind", Source: "/x", Target: "/x"}},
			CopyFiles:    []string{"/etc/hosts", "/etc/resolv.conf"},
			NSSDatabases: []string{"group", "passwd"},
			Hooks:        []spec.Hook{{Name: "a", File: "/other"}, {Name: "c", File: "/c"}},
		}},
	}
	want := spec.ProfileSpec{
		Mounts:       []spec.Mount{{Type: "proc", Target: "/proc"}, {Type: "bind", Source: "/t", Target: "/tmp/"}, {Type: "bind", Source: "/x", Target: "/x"}},
		CopyFiles:    []string{"/etc/hosts", "/etc/resolv.conf"},
		NSSDatabases: []string{"passwd", "group"},
		Hooks:        []spec.Hook{{Name: "a", File: "/other"}, {Name: "b", File: "/b"}, {Name: "c", File: "/c"}},
	}
	if diff := cmp.Diff(want, a.EffectiveProfile()); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
}
