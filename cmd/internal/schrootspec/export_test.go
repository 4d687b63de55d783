package schrootspec_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/internal/schrootspec"
	"coppice.dev/spec"
)

// differ are the keys that are another after the way there and back, with why.
var differ = map[string][]string{
	"Odd.1_x":      {"directory", "union-type"},                                                                  // a slash at its end; aufs is an overlay
	"bare":         {"profile", "setup.config", "setup.copyfiles", "setup.fstab", "setup.nssdatabases", "users"}, // of a plain one; spaces
	"experimental": {"mount-options"},                                                                            // what mount(8) does not know
	"sid-lvm":      {"mount-options"},                                                                            // user_xattr
	"image":        {"source-users"},                                                                             // source-clone=false lets nobody in
	"odd.1-x":      {"union-underlay-directory"},
}

// TestThereAndBack imports and exports again, and compares what schroot would
// print of both.
func TestThereAndBack(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		configuration := unpacked(t, archive)
		var back []schrootconf.Chroot
		for _, d := range schrootspec.Import(configuration, configuration.Profile) {
			if chroot, is := d.Object.(*spec.Chroot); is {
				back = append(back, schrootspec.Export(chroot))
			}
		}
		var text bytes.Buffer
		if err := schrootconf.WriteGiven(&text, "exported", back); err != nil {
			t.Fatal(err)
		}
		again, _ := schrootconf.Parse("exported", text.Bytes())
		for _, given := range configuration.Chroots {
			if !slices.Contains(schrootconf.Types, given.Type()) || given.Type() == schrootconf.Custom || given.Type() == schrootconf.ZFSSnapshot {
				continue
			}
			i := slices.IndexFunc(again, func(c schrootconf.Chroot) bool { return c.Name == given.Name })
			if i < 0 {
				t.Errorf("%s: %s is gone", name, given.Name)
				continue
			}
			if diff := cmp.Diff(config(given), config(again[i])); diff != "" {
				t.Errorf("%s: [%s] (-given +again):\n%s", name, given.Name, diff)
			}
		}
	}
}

// config is what schroot prints of a chroot, but for what differs.
func config(c schrootconf.Chroot) map[string]string {
	keys := map[string]string{}
	for _, e := range c.Config() {
		if !slices.Contains(differ[c.Name], e.Key) {
			keys[e.Key] = e.Value
		}
	}
	return keys
}

// TestExport exports what did not come from schroot.
func TestExport(t *testing.T) {
	size := resource.MustParse("1Gi")
	chroots := []*spec.Chroot{
		{ObjectMeta: metav1.ObjectMeta{Name: "folder"}, Spec: spec.ChrootSpec{
			Description: "a folder", Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/a"}, Location: "/root"},
			Union:      &spec.Union{Lowers: []string{"/l1", "/l2"}, Upper: &spec.Upper{Medium: spec.MediumMemory, Size: &size}},
			ProfileRef: &spec.Reference{Name: "buildd"}, Access: &spec.Access{Users: []string{"alice", "bob"}},
			Environment: &spec.Environment{Set: map[string]string{"A": "b"}, Filter: "SECRET|A.*"},
			Limits:      &spec.Limits{PIDs: new(int64(5))}, Personality: "i686",
			HookEnvironment: map[string]string{"X": "y"},
			HookVariables:   &spec.HookVariables{Users: []string{"X"}, RootUsers: []string{"Y"}},
		}},
		{ObjectMeta: metav1.ObjectMeta{Name: "image"}, Spec: spec.ChrootSpec{
			Source: spec.Source{Loopback: &spec.LoopbackSource{Path: "/a.img", FSType: "xfs", Partition: 2, MountOptions: []string{"noatime", "discard"}}},
			Union:  &spec.Union{Type: spec.UnionNone}, ProfileRef: &spec.Reference{Name: "own"},
			CommandPrefix: []string{"sh", "-c", "a,b"}, Isolation: new(spec.Isolation),
		}},
		{ObjectMeta: metav1.ObjectMeta{Name: "snapshot"}, Spec: spec.ChrootSpec{Source: spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: "/srv/b/root"}}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "plain"}, Spec: spec.ChrootSpec{Source: spec.Source{Plain: &spec.PlainSource{Path: "/srv/p"}}}},
	}
	const want = `# by hand

# union.upper in memory: mount a tmpfs at the union-overlay-directory
# environment.set: schroot sets no variables
# limits: schroot has none
# hookEnvironment X=y: write it as a key with a dot in it
# hookVariables: name X, Y in user-modifiable-keys or root-modifiable-keys, as keys with a dot in them
[folder]
type=directory
description=a folder
directory=/srv/a/root
environment-filter=^(SECRET|A.*)$
personality=linux32
profile=buildd
union-mount-options=lowerdir=/l1:/l2:${CHROOT_UNION_UNDERLAY_DIRECTORY},upperdir=${CHROOT_UNION_OVERLAY_DIRECTORY}/upper,workdir=${CHROOT_UNION_OVERLAY_DIRECTORY}/work
union-type=overlay
users=alice,bob

# offset and partition of the image: schroot mounts the whole of it
# command-prefix: "a,b" has a comma in it, which parts entries there
# isolation: schroot has none
# profile own: its fstab, copyfiles and nssdatabases have to be made in /etc/schroot/own
[image]
type=loopback
file=/a.img
mount-options=-t xfs -o noatime,discard
profile=own
union-type=none

[snapshot]
type=btrfs-snapshot
btrfs-snapshot-directory=/srv/b
btrfs-source-subvolume=/srv/b/root
profile=minimal

[plain]
type=plain
directory=/srv/p
`
	var sections []schrootconf.Chroot
	for _, c := range chroots {
		sections = append(sections, schrootspec.Export(c))
	}
	var got bytes.Buffer
	if err := schrootconf.WriteGiven(&got, "by hand", sections); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
	if _, problems := schrootconf.Parse("f", got.Bytes()); len(problems) > 0 {
		t.Errorf("schroot would not read it: %v", problems)
	}
}
