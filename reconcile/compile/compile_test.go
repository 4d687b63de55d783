package compile_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

var folders = layout.Layout{State: "/state", Run: "/run"}

func record(chroot spec.ChrootSpec, change ...func(*compile.Record)) compile.Record {
	r := compile.Record{
		UID:      "uid",
		Admitted: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Session:  spec.Admitted{Name: "s", Chroot: chroot},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func overlay(u spec.Union) *spec.Union {
	u.Type = spec.UnionOverlay
	return &u
}

func facts(f compile.Facts) func(*compile.Record) {
	return func(r *compile.Record) { r.Facts = f }
}

func TestSession(t *testing.T) {
	size, odd := resource.MustParse("2Gi"), resource.MustParse("1G")
	image := compile.Facts{Contents: object.FileIdentity{Device: 1, Inode: 2, Size: 3, ModTime: 4}, FSType: "ext4", Offset: 1 << 20}
	for _, row := range []struct {
		name   string
		record compile.Record
		want   []string // "owner address json" of each object, the home left out
	}{
		{"a directory itself",
			record(spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/root/"}}, Union: &spec.Union{Type: spec.UnionNone}}),
			[]string{
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/srv/root"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"an overlay on a directory, with layers and a location",
			record(spec.ChrootSpec{
				Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/root"}, Location: "/deb/"},
				Union:  overlay(spec.Union{Lowers: []string{"/srv/top", "/srv/mid"}, Volatile: new(true)}),
			}),
			[]string{
				`session/s 3-write/upper {"dir":"/state/sessions/s/upper","work":"/state/sessions/s/work","model":{"path":"/srv/root","location":"/deb"},"volatile":true}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/srv/top"},{"path":"/srv/mid"},{"path":"/srv/root","location":"/deb"}],"upper":"/state/sessions/s/upper","work":"/state/sessions/s/work","volatile":true}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"an upper in memory is part of the root",
			record(spec.ChrootSpec{
				Source: spec.Source{Directory: &spec.DirectorySource{Path: "/"}},
				Union:  overlay(spec.Union{Upper: &spec.Upper{Medium: spec.MediumMemory, Size: &size}}),
			}, func(r *compile.Record) {
				r.Session.Session.Expose = spec.ExposeNone
				r.Session.Session.DeletionPolicy = spec.DeletionWait
				r.Session.Session.GracePeriod = &metav1.Duration{Duration: time.Second}
			}),
			[]string{
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/"}],"memory":true,"memorySize":2147483648}`,
				`session/s 6-inside/processes {"grace":1000000000,"wait":true}`,
			}},
		{"a limited upper lies in an image",
			record(spec.ChrootSpec{
				Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/root"}},
				Union:  overlay(spec.Union{Upper: &spec.Upper{Medium: spec.MediumDisk, Size: &size}, Volatile: new(true)}),
			}),
			[]string{
				`session/s 2-layer/store {"file":"/state/sessions/s/store.img","path":"/run/stores/s","size":2147483648,"volatile":true}`,
				`session/s 3-write/upper {"dir":"/run/stores/s/upper","work":"/run/stores/s/work","model":{"path":"/srv/root"},"volatile":true}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/srv/root"}],"upper":"/run/stores/s/upper","work":"/run/stores/s/work","volatile":true}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"or in a folder with a quota, which is rounded up",
			record(spec.ChrootSpec{
				Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/root"}},
				Union:  overlay(spec.Union{Upper: &spec.Upper{Medium: spec.MediumDisk, Size: &odd}}),
			}, facts(compile.Facts{Quota: true})),
			[]string{
				`session/s 2-layer/quota {"path":"/state/sessions/s/layer","size":1000013824}`,
				`session/s 3-write/upper {"dir":"/state/sessions/s/layer/upper","work":"/state/sessions/s/layer/work","model":{"path":"/srv/root"}}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/srv/root"}],"upper":"/state/sessions/s/layer/upper","work":"/state/sessions/s/layer/work"}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a quota is for uppers that are limited",
			record(spec.ChrootSpec{
				Source: spec.Source{Directory: &spec.DirectorySource{Path: "/srv/root"}},
				Union:  overlay(spec.Union{Upper: &spec.Upper{Medium: spec.MediumDisk}}),
			}, facts(compile.Facts{Quota: true})),
			[]string{
				`session/s 3-write/upper {"dir":"/state/sessions/s/upper","work":"/state/sessions/s/work","model":{"path":"/srv/root"}}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/srv/root"}],"upper":"/state/sessions/s/upper","work":"/state/sessions/s/work"}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a plain folder gets no mounts, files or hooks",
			record(spec.ChrootSpec{Source: spec.Source{Plain: &spec.PlainSource{Path: "/srv/old"}}}, func(r *compile.Record) {
				r.Session.Profile = spec.ProfileSpec{Mounts: []spec.Mount{{Type: spec.MountProc, Target: "/proc"}}, CopyFiles: []string{"/etc/hosts"}}
			}),
			[]string{
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/srv/old"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"an archive of the session's own",
			record(spec.ChrootSpec{Source: spec.Source{File: &spec.FileSource{Path: "/srv/a.tar"}}, Union: &spec.Union{Type: spec.UnionNone}}),
			[]string{
				`session/s 2-layer/tree {"archive":"/srv/a.tar","contents":{"device":0,"inode":0,"size":0,"mtime":0},"path":"/state/sessions/s/tree"}`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/state/sessions/s/tree"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"an archive that sessions share",
			record(spec.ChrootSpec{Source: spec.Source{File: &spec.FileSource{Path: "/srv/a.tar"}}, Union: overlay(spec.Union{})}),
			[]string{
				`base/KEY 2-layer/tree {"archive":"/srv/a.tar","contents":{"device":0,"inode":0,"size":0,"mtime":0},"path":"/state/bases/KEY"}`,
				`session/s 3-write/upper {"dir":"/state/sessions/s/upper","work":"/state/sessions/s/work","model":{"path":"/state/bases/KEY"}}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/state/bases/KEY"}],"upper":"/state/sessions/s/upper","work":"/state/sessions/s/work"}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"an image that is written to is exclusive, whatever was written",
			record(spec.ChrootSpec{Source: spec.Source{Loopback: &spec.LoopbackSource{Path: "/srv/a.img", MountOptions: []string{"noatime"}}}, Union: &spec.Union{Type: spec.UnionNone}}, facts(image)),
			[]string{
				`base/KEY 1-device/image {"file":"/srv/a.img","contents":{"device":1,"inode":2,"size":0,"mtime":0},"fsType":"ext4","offset":1048576,"options":["noatime"],"path":"/run/bases/KEY"} exclusive`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/run/bases/KEY"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"an image that can only be read is shared even so",
			record(spec.ChrootSpec{Source: spec.Source{Loopback: &spec.LoopbackSource{Path: "/srv/a.sqfs"}}, Union: &spec.Union{Type: spec.UnionNone}}, facts(compile.Facts{FSType: "squashfs", ReadOnly: true})),
			[]string{
				`base/KEY 1-device/image {"file":"/srv/a.sqfs","contents":{"device":0,"inode":0,"size":0,"mtime":0},"fsType":"squashfs","readOnly":true,"path":"/run/bases/KEY"}`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/run/bases/KEY"}],"readOnly":true}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a btrfs snapshot lies beside its subvolume",
			record(spec.ChrootSpec{Source: spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: "/srv/btrfs/root"}}, Union: &spec.Union{Type: spec.UnionNone}}),
			[]string{
				`session/s 1-device/snapshot {"subvolume":"/srv/btrfs/root","path":"/srv/btrfs/.coppice-snapshots/s.uid","link":"/state/sessions/s/snapshot"}`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/srv/btrfs/.coppice-snapshots/s.uid"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a block device is mounted once for those who read it",
			record(spec.ChrootSpec{Source: spec.Source{BlockDevice: &spec.BlockDeviceSource{Path: "/dev/vdb1", MountOptions: []string{"noatime"}}}, Union: overlay(spec.Union{})}, facts(compile.Facts{FSType: "ext4", Contents: object.FileIdentity{Inode: 7}})),
			[]string{
				`base/KEY 2-layer/disk {"device":"/dev/vdb1","fsType":"ext4","readOnly":true,"options":["noatime"],"path":"/run/disks/base.KEY"}`,
				`session/s 3-write/upper {"dir":"/state/sessions/s/upper","work":"/state/sessions/s/work","model":{"path":"/run/disks/base.KEY"}}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/run/disks/base.KEY"}],"upper":"/state/sessions/s/upper","work":"/state/sessions/s/work"}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a block device that is written to is exclusive",
			record(spec.ChrootSpec{Source: spec.Source{BlockDevice: &spec.BlockDeviceSource{Path: "/dev/vdb1"}}, Union: &spec.Union{Type: spec.UnionNone}}, facts(compile.Facts{FSType: "ext4"})),
			[]string{
				`base/KEY 2-layer/disk {"device":"/dev/vdb1","fsType":"ext4","path":"/run/disks/base.KEY"} exclusive`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/run/disks/base.KEY"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a thick snapshot of a logical volume, written to",
			record(spec.ChrootSpec{Source: spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{VolumeGroup: "vg", LogicalVolume: "lv", Size: "1Gi"}}, Union: &spec.Union{Type: spec.UnionNone}}, facts(compile.Facts{FSType: "xfs"})),
			[]string{
				`session/s 1-device/volume {"group":"vg","origin":"lv","name":"coppice.s.uid","size":"1073741824","threshold":80}`,
				`session/s 2-layer/disk {"device":"/dev/vg/coppice.s.uid","fsType":"xfs","path":"/run/disks/session.s"}`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/run/disks/session.s"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root"}`,
			}},
		{"a thin snapshot below an overlay is only read",
			record(spec.ChrootSpec{Source: spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{
				VolumeGroup: "vg", LogicalVolume: "lv", Thin: true, CreateOptions: []string{"--noudevsync"}, FillThreshold: new(95),
			}}, Union: overlay(spec.Union{})}, facts(compile.Facts{FSType: "ext4"}), func(r *compile.Record) {
				r.Session.Session.Expose = spec.ExposeNone
			}),
			[]string{
				`session/s 1-device/volume {"group":"vg","origin":"lv","name":"coppice.s.uid","options":["--noudevsync"],"threshold":95}`,
				`session/s 2-layer/disk {"device":"/dev/vg/coppice.s.uid","fsType":"ext4","readOnly":true,"path":"/run/disks/session.s"}`,
				`session/s 3-write/upper {"dir":"/state/sessions/s/upper","work":"/state/sessions/s/work","model":{"path":"/run/disks/session.s"}}`,
				`session/s 4-root/namespace {"type":"overlay","layers":[{"path":"/run/disks/session.s"}],"upper":"/state/sessions/s/upper","work":"/state/sessions/s/work"}`,
				`session/s 6-inside/processes {}`,
			}},
		{"a logical volume itself, opened to be written to",
			record(spec.ChrootSpec{Source: spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{VolumeGroup: "vg", LogicalVolume: "lv", Thin: true}}, Union: &spec.Union{Type: spec.UnionNone}}, facts(compile.Facts{FSType: "ext4"}), func(r *compile.Record) {
				r.Session.Session.OpenSource, r.Session.Session.Expose = true, spec.ExposeNone
			}),
			[]string{
				`base/KEY 2-layer/disk {"device":"/dev/vg/lv","fsType":"ext4","path":"/run/disks/base.KEY"} exclusive`,
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/run/disks/base.KEY"}]}`,
				`session/s 6-inside/processes {}`,
			}},
		{"a profile: parents before children, files before hooks, hooks by order",
			record(spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/r"}}, Union: &spec.Union{Type: spec.UnionNone}}, func(r *compile.Record) {
				r.Session.ChrootName, r.Session.ProfileName = "c", "p"
				r.Session.Session.Expose = spec.ExposeTree
				r.Session.Profile = spec.ProfileSpec{
					Mounts: []spec.Mount{
						{Type: spec.MountDevpts, Target: "/dev/pts", Options: []string{"mode=0600"}},
						{Type: spec.MountDev, Target: "/dev", Options: []string{"exec"}},
						{Type: spec.MountBind, Source: "/home/", Target: "/home", Options: []string{"rbind", "ro"}, Optional: true},
						{Type: spec.MountTmpfs, Target: "/tmp", Size: &size},
					},
					CopyFiles:    []string{"/etc/resolv.conf"},
					NSSDatabases: []string{"passwd"},
					Hooks: []spec.Hook{
						{Name: "last", Order: 9, Command: []string{"/bin/last"}, Place: spec.HookInSession},
						{Name: "first", File: "/etc/first", Timeout: &metav1.Duration{Duration: time.Second}},
					},
				}
			}),
			[]string{
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/r"}]}`,
				`session/s 5-mounts/dev {"type":"dev","target":"/dev","flags":["nosuid"],"options":["mode=0755"]}`,
				`session/s 5-mounts/dev/pts {"type":"devpts","target":"/dev/pts","flags":["noexec","nosuid"],"options":["newinstance","ptmxmode=0666","gid=5","mode=0600"]}`,
				`session/s 5-mounts/home {"type":"bind","source":"/home","recursive":true,"target":"/home","flags":["ro"],"optional":true}`,
				`session/s 5-mounts/tmp {"type":"tmpfs","target":"/tmp","flags":["nodev","nosuid"],"options":["mode=1777"],"size":2147483648}`,
				`session/s 6-inside/processes {}`,
				`session/s 7-view/root {"path":"/run/sessions/s/root","tree":true,"shows":["/dev SHOWN","/dev/pts SHOWN","/home SHOWN","/tmp SHOWN"]}`,
				`session/s 8-task/1-file/etc/resolv.conf {"source":"/etc/resolv.conf","target":"/etc/resolv.conf"}`,
				`session/s 8-task/2-database/passwd {"database":"passwd","target":"/etc/passwd"}`,
				`session/s 8-task/3-hook/000-first {"name":"first","phase":"setup","command":["/etc/first","setup"],"undo":["/etc/first","stop"],"timeout":1000000000,"env":["COPPICE_CHROOT=c","COPPICE_PROFILE=p","COPPICE_UID=uid","COPPICE_ROOT=/run/sessions/s/root"]}`,
				`session/s 8-task/3-hook/001-last {"name":"last","phase":"setup","command":["/bin/last"],"inside":true,"timeout":60000000000,"env":["COPPICE_CHROOT=c","COPPICE_PROFILE=p","COPPICE_UID=uid","COPPICE_ROOT=/run/sessions/s/root"]}`,
			}},
		{"a script of schroot's is told what schroot tells it",
			record(spec.ChrootSpec{
				Source: spec.Source{Directory: &spec.DirectorySource{Path: "/r"}}, Union: &spec.Union{Type: spec.UnionNone},
				HookEnvironment: map[string]string{"DEBIAN_DIST": "any", "CHROOT_NAME": "Sid.1"},
			}, func(r *compile.Record) {
				r.Session.ChrootName, r.Session.ProfileName, r.Session.Owner, r.Session.OwnerName = "sid-1", "p", new(1000), "alice"
				r.Session.Session.ChrootRef = &spec.Reference{Name: "unstable"}
				r.Session.Session.HookEnvironment = map[string]string{"DEBIAN_DIST": "sid", "FLAVOUR": "x"}
				r.Session.Session.Expose = spec.ExposeNone
				r.Session.Profile = spec.ProfileSpec{Hooks: []spec.Hook{
					{Name: "up", File: "/s/50up", Interface: spec.InterfaceSchroot},
					{Name: "again", File: "/s/50up", Interface: spec.InterfaceSchroot, Phase: spec.HookRecover},
				}}
			}),
			[]string{
				`session/s 4-root/namespace {"type":"bind","layers":[{"path":"/r"}]}`,
				`session/s 6-inside/processes {}`,
				`session/s 8-task/3-hook/000-up {"name":"up","phase":"setup","command":["/s/50up","setup-start","ok"],"undo":["/s/50up","setup-stop","ok"],"timeout":60000000000,"env":[` + schrootEnv + `]}`,
				`session/s 8-task/3-hook/001-again {"name":"again","phase":"recover","command":["/s/50up","setup-recover","ok"],"timeout":60000000000,"env":[` + schrootEnv + `]}`,
			}},
		{"of an expired session only the home is left",
			record(spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/r"}}}, func(r *compile.Record) { r.Expired = true }),
			nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			result, err := compile.Session(folders, row.record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, text(t, result)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			remembers(t, row.record, result)
		})
	}
}

// text prints the objects, with the key of the one base there may be as KEY.
func text(t *testing.T, r compile.Result) []string {
	t.Helper()
	var out []string
	line := func(o object.Object, end string) {
		s, err := json.Marshal(o.Spec)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Owner.String()+" "+string(o.Address)+" "+string(s)+end)
	}
	for _, b := range r.Bases {
		for _, o := range b.Objects {
			line(o, map[bool]string{true: " exclusive"}[b.Exclusive])
		}
	}
	for _, o := range r.Objects[1:] {
		line(o, "")
	}
	for _, shown := range object.Shown(r.Objects) {
		target, print, _ := strings.Cut(shown, " ")
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], `"`+target+" "+print+`"`, `"`+target+` SHOWN"`)
		}
	}
	for _, b := range r.Bases {
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], b.Owner.Name, "KEY")
		}
	}
	return out
}

// remembers checks that the home comes first and holds all that is needed to
// find the rest again, and that its JSON form keeps it.
func remembers(t *testing.T, r compile.Record, result compile.Result) {
	t.Helper()
	data, err := json.Marshal(result.Objects[0])
	if err != nil {
		t.Fatal(err)
	}
	var read object.Object
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	home, is := read.Spec.(object.Home)
	if !is {
		t.Fatalf("first object is %s, want the home", result.Objects[0].ID)
	}
	if diff := cmp.Diff(result.Objects[1:], home.Objects, cmp.Transformer("empty", func(o []object.Object) []object.Object { return append([]object.Object{}, o...) })); diff != "" {
		t.Errorf("objects in the home (-made +remembered):\n%s", diff)
	}
	again, err := compile.Decode(home.Admitted)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("record (-made +remembered):\n%s", diff)
	}
	if !slices.IsSortedFunc(result.Objects, func(a, b object.Object) int { return a.Compare(b.ID) }) {
		t.Error("objects are not in the order of making")
	}
}

func TestBaseKeyTellsFilesApart(t *testing.T) {
	key := func(change func(*compile.Record)) string {
		r := record(spec.ChrootSpec{Source: spec.Source{Loopback: &spec.LoopbackSource{Path: "/srv/a.img"}}, Union: overlay(spec.Union{})},
			facts(compile.Facts{Contents: object.FileIdentity{Inode: 1, Size: 1, ModTime: 1}, FSType: "ext4"}), change)
		result, err := compile.Session(folders, r)
		if err != nil {
			t.Fatal(err)
		}
		return result.Bases[0].Owner.Name
	}
	first := key(func(*compile.Record) {})
	if other := key(func(r *compile.Record) { r.Session.Name = "other" }); other != first {
		t.Errorf("another session of the same image has base %s, want %s", other, first)
	}
	for name, change := range map[string]func(*compile.Record){
		"rewritten":      func(r *compile.Record) { r.Facts.Contents.ModTime++ },
		"replaced":       func(r *compile.Record) { r.Facts.Contents.Inode++ },
		"elsewhere":      func(r *compile.Record) { r.Session.Chroot.Source.Loopback = &spec.LoopbackSource{Path: "/srv/b.img"} },
		"part of it":     func(r *compile.Record) { r.Facts.Offset = 512 },
		"with an option": func(r *compile.Record) { r.Session.Chroot.Source.Loopback.MountOptions = []string{"noload"} },
		"written to":     func(r *compile.Record) { r.Session.Chroot.Union = &spec.Union{Type: spec.UnionNone} },
	} {
		if other := key(change); other == first {
			t.Errorf("an image that is %s has the same base", name)
		}
	}
}

func TestUnknownSourceIsRefused(t *testing.T) {
	if _, err := compile.Session(folders, record(spec.ChrootSpec{})); err == nil {
		t.Error("no source compiled without an error")
	}
}

// schrootEnv is what a script of schroot's finds in its environment; of two of a
// name the last counts.
const schrootEnv = `"SESSION_ID=s","CHROOT_NAME=sid-1","CHROOT_ALIAS=unstable",` +
	`"CHROOT_PATH=/run/sessions/s/root","CHROOT_MOUNT_LOCATION=/run/sessions/s/root",` +
	`"CHROOT_SESSION_CREATE=false","CHROOT_SESSION_CLONE=false","CHROOT_SESSION_PURGE=false","CHROOT_SESSION_SOURCE=false",` +
	`"CHROOT_PROFILE=p","MOUNT_DIR=/run/sessions","SYSCONF_DIR=/etc/schroot","DATA_DIR=/usr/share/schroot","SETUP_DATA_DIR=/usr/share/schroot/setup",` +
	`"PLATFORM=linux","HOST_OS=linux-gnu","VERBOSE=normal","CHROOT_TYPE=directory","CHROOT_DIRECTORY=/r","CHROOT_UNION_TYPE=none",` +
	`"AUTH_UID=1000","AUTH_RUID=1000","AUTH_USER=alice","AUTH_RUSER=alice",` +
	`"COPPICE_CHROOT=sid-1","COPPICE_PROFILE=p","COPPICE_UID=uid","CHROOT_NAME=Sid.1","DEBIAN_DIST=sid","FLAVOUR=x"`

// What limits an upper stays what it is, whatever the machine offers by now.
func TestByQuota(t *testing.T) {
	world := func(kinds ...object.Kind) (w object.World) {
		for _, kind := range kinds {
			w.Objects = append(w.Objects, object.Observed{Kind: kind})
		}
		return w
	}
	for _, row := range []struct {
		world         object.World
		offered, want bool
	}{
		{world(), true, true},
		{world(), false, false},
		{world(object.KindHome, object.KindStore, object.KindUpper), true, false},
		{world(object.KindHome, object.KindQuota, object.KindUpper), false, true},
		{world(object.KindHome, object.KindUpper), true, true},
	} {
		if got := compile.ByQuota(row.world, row.offered); got != row.want {
			t.Errorf("%+v, offered %t: %t", row.world.Objects, row.offered, got)
		}
	}
}
