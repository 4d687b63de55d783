package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"coppice.dev/spec"
)

// TestDefaults gives what is filled in, as it would be written.
func TestDefaults(t *testing.T) {
	filter := "environment: {filter: '" + spec.DefaultEnvironmentFilter + "'}"
	for _, row := range []struct{ kind, written, meant string }{
		{"Chroot", `{source: {directory: {path: /a}}}`, `{source: {directory: {path: /a}, location: /}, union: {type: overlay, upper: {medium: Disk}}, ` + filter + `}`},
		{"Chroot", `{source: {file: {path: /a}, location: /x}, union: {type: none}}`, `{source: {file: {path: /a}, location: /x}, union: {type: none}, ` + filter + `}`},
		{"Chroot", `{source: {plain: {path: /a}}}`, `{source: {plain: {path: /a}, location: /}, union: {type: none}, ` + filter + `}`},
		{"Chroot", `{source: {btrfsSnapshot: {subvolume: /a}}}`, `{source: {btrfsSnapshot: {subvolume: /a}, location: /}, union: {type: none}, ` + filter + `}`},
		{"Chroot", `{source: {directory: {path: /a}}, union: {upper: {medium: Memory}, volatile: false}, environment: {filter: '^$'}}`, `{source: {directory: {path: /a}, location: /}, union: {type: overlay, upper: {medium: Memory}, volatile: false}, environment: {filter: '^$'}}`},
		{"Profile", `{}`, `{}`},
		{"Profile", `{mounts: [{type: proc}, {type: sysfs}, {type: dev}, {type: devpts}, {type: shm}, {type: bind, source: /home}, {type: proc, target: /p}]}`, `{mounts: [{type: proc, target: /proc}, {type: sysfs, target: /sys}, {type: dev, target: /dev}, {type: devpts, target: /dev/pts}, {type: shm, target: /dev/shm}, {type: bind, source: /home, target: /home}, {type: proc, target: /p}]}`},
		{"Profile", `{hooks: [{name: a, file: /a}, {name: b, file: /b, phase: stop, timeout: 2m}]}`, `{hooks: [{name: a, file: /a, phase: setup, place: Host, timeout: 1m}, {name: b, file: /b, phase: stop, place: Host, timeout: 2m}]}`},
		{"Session", `{chrootRef: {name: c}}`, `{chrootRef: {name: c}, expose: Root, deletionPolicy: Terminate, gracePeriod: 5s, updateStrategy: OnDelete, driftPolicy: Repair}`},
		{"Session", `{chrootRef: {name: c}, expose: None, deletionPolicy: Wait, gracePeriod: 0s, updateStrategy: Recreate}`, `{chrootRef: {name: c}, expose: None, deletionPolicy: Wait, gracePeriod: 0s, updateStrategy: Recreate, driftPolicy: Repair}`},
		{"Session", `{chroot: {source: {directory: {path: /}}}, profile: {mounts: [{type: shm}]}}`, `{chroot: {source: {directory: {path: /}, location: /}, union: {type: overlay, upper: {medium: Disk}}, ` + filter + `}, profile: {mounts: [{type: shm, target: /dev/shm}]}, expose: Root, deletionPolicy: Terminate, gracePeriod: 5s, updateStrategy: OnDelete, driftPolicy: Repair}`},
	} {
		got := objects(t, manifest(row.kind, "a", row.written))[0]
		documents, problems := spec.Decode("t.yaml", []byte(manifest(row.kind, "a", row.meant)))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if diff := cmp.Diff(documents[0].Object, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", row.kind, row.written, diff)
		}
		spec.Default(got)
		if diff := cmp.Diff(documents[0].Object, got); diff != "" {
			t.Errorf("%s %s, once more (-want +got):\n%s", row.kind, row.written, diff)
		}
	}
}

// TestValidateFillsInForItself: objects made by a program are judged as they
// will be used, and left as they are.
func TestValidateFillsInForItself(t *testing.T) {
	for _, o := range []spec.Object{
		&spec.Session{Spec: spec.SessionSpec{ChrootRef: &spec.Reference{Name: "c"}}},
		&spec.Chroot{Spec: spec.ChrootSpec{Source: spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: "/a"}}, Union: &spec.Union{}}},
		&spec.Profile{Spec: spec.ProfileSpec{Mounts: []spec.Mount{{Type: spec.MountProc}}, Hooks: []spec.Hook{{Name: "a", Command: []string{"/a"}, Undo: []string{"/b"}}}}},
	} {
		o.SetName("a")
		before := spec.Hash(o)
		if errs := spec.Validate(o); len(errs) > 0 {
			t.Errorf("%T: %v", o, errs)
		}
		if s, is := o.(*spec.Session); is && s.Spec.Expose != "" || spec.Hash(o) != before {
			t.Errorf("%T was changed", o)
		}
		o.SetName("")
		if errs := spec.Validate(o); len(errs) != 1 || errs[0].Field != "metadata.name" {
			t.Errorf("%T without a name: %v", o, errs)
		}
	}
}

// TestAllIsGood holds manifests that use every field there is.
func TestAllIsGood(t *testing.T) {
	for _, text := range []string{
		manifest("Chroot", "a", `{source: {loopback: {path: /a.img, fsType: ext4, partition: 1, mountOptions: [noatime, commit=5]}, location: /x}, union: {type: overlay, lowers: [/a, /b], upper: {medium: Memory, size: 1.5Gi}, volatile: true}}`),
		manifest("Chroot", "a", `{source: {loopback: {path: /a.img, offset: 1048576}}, union: {type: none}}`),
		manifest("Chroot", "a", `{source: {directory: {path: /}, location: /srv/x}, union: {type: none}}`),
		manifest("Chroot", "a", `{source: {btrfsSnapshot: {subvolume: /a/, snapshotDirectory: /b}}, union: {type: none}}`),
		manifest("Chroot", "a", `{description: d, aliases: [b], source: {file: {path: /a}}, access: {users: [u], groups: [g.h], rootUsers: [_r], rootGroups: ['domain\u'], source: {users: [u]}}, personality: linux32, shell: /bin/sh, commandPrefix: [env, A=b], isolation: {network: true}, limits: {cpu: 2}, environment: {set: {A: b}, filter: '^X'}, hookEnvironment: {A: b}, hookVariables: {users: [A], rootUsers: [B_1]}}`),
		manifest("Profile", "a", `{mounts: [{type: bind, source: /a, target: /a, options: [rbind, ro, nosuid], optional: true}, {type: tmpfs, target: /t, size: 1G, options: [mode=1777, noexec, nr_inodes=5k]}, {type: proc, options: [hidepid=2, ro]}, {type: devpts, options: [newinstance, gid=5]}], copyFiles: [/a], nssDatabases: [passwd, rpc], hooks: [{name: a, phase: recover, command: [/a, ''], place: Session, timeout: 1s, order: -5}, {name: b, file: /b, phase: stop}, {name: c, command: [/c], undo: [/d]}]}`),
		manifest("Session", "a", `{chrootRef: {name: c}, profileRef: {name: p}, profile: {}, ttl: 1h, idleTimeout: 1m, retainOnFailure: true, expose: Tree, deletionPolicy: Wait, gracePeriod: 0s, updateStrategy: Recreate, user: bob, environment: {set: {A: ''}, filter: x}, hookEnvironment: {A: c}, isolation: {network: false, pid: true, ipc: true, noNewPrivileges: true}, limits: {memory: 1Gi, pids: 10, cpu: 500m, rlimits: {nofile: {soft: 1, hard: -1}}}}`),
	} {
		for _, o := range objects(t, text) {
			written, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			again := objects(t, string(written))
			if diff := cmp.Diff(o, again[0]); diff != "" {
				t.Errorf("read again from what was written (-want +got):\n%s", diff)
			}
		}
	}
}

func TestHash(t *testing.T) {
	hash := func(text string) string { return spec.Hash(objects(t, text)[0]) }
	base := hash(manifest("Session", "a", `{chrootRef: {name: c}}`))
	if got := hash(manifest("Session", "b", `{expose: Root, chrootRef: {name: c}}`)); got != base {
		t.Error("a default that is written out is another spec")
	}
	if got := spec.Hash(&spec.Session{Spec: spec.SessionSpec{ChrootRef: &spec.Reference{Name: "c"}}}); got != base {
		t.Error("a default that is not filled in is another spec")
	}
	if got := hash(manifest("Session", "a", `{chrootRef: {name: d}}`)); got == base {
		t.Error("another chroot is the same spec")
	}
}

func TestNearest(t *testing.T) {
	for written, want := range map[string]string{
		"unoin": "union", "Union": "union", "unio": "union", "lowerz": "lowers", "volatil": "volatile",
		"x": "", "": "", "something": "", strings.Repeat("union", 30): "",
	} {
		if got := spec.Nearest(written, []string{"union", "lowers", "volatile", "upper"}); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}

func TestBuiltinProfiles(t *testing.T) {
	list := spec.BuiltinProfiles()
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
		if errs := spec.Validate(p); len(errs) > 0 {
			t.Errorf("%s: %v", p.Name, errs)
		}
	}
	if diff := cmp.Diff([]string{"buildd", "default", "minimal"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for _, m := range list[2].Spec.Mounts {
		if m.Type == spec.MountBind {
			t.Errorf("%s shows %s of the host", list[2].Name, m.Source)
		}
	}
	list[0].Spec.Mounts[0].Target = "/changed"
	if spec.BuiltinProfiles()[0].Spec.Mounts[0].Target == "/changed" {
		t.Error("what is returned is shared")
	}
}

func TestExamplesAreGood(t *testing.T) {
	files, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if documents, problems := spec.Parse(name, text); len(problems) != 0 || len(documents) == 0 {
			t.Errorf("%s: %d documents, problems %v", name, len(documents), problems)
		}
	}
}
