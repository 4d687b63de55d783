package spec_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/spec"
)

func opening(chroot string) *spec.Session {
	return &spec.Session{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: spec.SessionSpec{
		ChrootRef: &spec.Reference{Name: chroot}, OpenSource: true,
	}}
}

func TestCannotOpen(t *testing.T) {
	folder := func(path string) spec.Source { return spec.Source{Directory: &spec.DirectorySource{Path: path}} }
	image := func(l spec.LoopbackSource) spec.Source { return spec.Source{Loopback: &l} }
	for _, row := range []struct {
		name   string
		source spec.Source
		want   string // part of why not
	}{
		{"a folder", folder("/srv/deb"), ""},
		{"the host", folder("/"), "host's own root"},
		{"the host, written otherwise", folder("/srv/.."), "host's own root"},
		{"a folder of the host, by its location", spec.Source{Directory: &spec.DirectorySource{Path: "/"}, Location: "/srv/deb"}, ""},
		{"the host as it is", spec.Source{Plain: &spec.PlainSource{Path: "/"}}, "host's own root"},
		{"a plain folder", spec.Source{Plain: &spec.PlainSource{Path: "/srv/deb"}}, ""},
		{"an image", image(spec.LoopbackSource{Path: "/a", FSType: "ext4"}), ""},
		{"an image of any kind", image(spec.LoopbackSource{Path: "/a"}), ""},
		{"squashfs", image(spec.LoopbackSource{Path: "/a", FSType: "squashfs"}), "squashfs cannot be written to"},
		{"erofs", image(spec.LoopbackSource{Path: "/a", FSType: "erofs"}), "erofs cannot be written to"},
		{"an image mounted ro", image(spec.LoopbackSource{Path: "/a", MountOptions: []string{"noatime", "ro"}}), "mountOptions"},
		{"a subvolume", spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: "/srv/sub"}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			chroot := &spec.Chroot{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: spec.ChrootSpec{Source: row.source}}
			why := spec.CannotOpen(chroot.Spec)
			if (why == "") != (row.want == "") || !strings.Contains(why, row.want) {
				t.Errorf("it says %q, want %q", why, row.want)
			}
			a, err := spec.Admit(opening("c"), spec.References{Chroots: map[string]*spec.Chroot{"c": chroot}}, true)
			if (err == nil) != (row.want == "") {
				t.Fatalf("admitted with %v", err)
			}
			if err == nil && (a.Chroot.Union.Type != spec.UnionNone || a.Chroot.Union.Upper != nil) {
				t.Errorf("it has a union: %+v", a.Chroot.Union)
			}
		})
	}
}

// TestOpeningIsNotTakenUpByARunningSession nor given up.
func TestOpeningIsNotTakenUpByARunningSession(t *testing.T) {
	refs := spec.References{Chroots: map[string]*spec.Chroot{"c": {
		ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/deb"}}},
	}}}
	for _, opens := range []bool{true, false} {
		session := opening("c")
		session.Spec.OpenSource = opens
		running, err := spec.Admit(session, refs, true)
		if err != nil {
			t.Fatal(err)
		}
		session.Spec.OpenSource = !opens
		wanted, err := spec.Admit(session, refs, true)
		if err != nil {
			t.Fatal(err)
		}
		if fields := spec.NeedsRecreate(running, wanted); len(fields) != 1 || fields[0] != "spec.openSource" {
			t.Errorf("opens %v: these fields need it made anew: %q", opens, fields)
		}
		if got := running.WithSession(session); got.Session.OpenSource != opens {
			t.Errorf("opens %v: the running session has changed", opens)
		}
	}
}
