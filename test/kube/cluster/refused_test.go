package cluster

import (
	"slices"
	"strings"
	"testing"

	"coppice.dev/spec"
)

// refusals are manifests with a mistake each, and what the server says about it: in
// our words wherever there are some.
var refusals = []struct{ name, kind, metadata, spec, want string }{
	{"both of two", "Session", "", "{chrootRef: {name: a}, chroot: {source: {directory: {path: /a}}}}", "exactly one of the fields in [chrootRef chroot] must be set"},
	{"none of two", "Session", "", "{ttl: 1h}", "exactly one of the fields in [chrootRef chroot] must be set"},
	{"a field that is not known", "Session", "", "{chrootRef: {name: a}, tll: 1h}", `unknown field "spec.tll"`},
	{"one in an entry of a list", "Profile", "", "{mounts: [{type: proc, sauce: /a}]}", `unknown field "spec.mounts[0].sauce"`},
	{"a name with a dot", "Session", "{name: a.b}", "{chrootRef: {name: a}}", "metadata.name must be lower-case letters, digits and dashes"},
	{"a name with capitals", "Chroot", "{name: A}", "{source: {directory: {path: /a}}}", "metadata.name: Invalid value"},
	{"a name that is too long", "Profile", "{name: " + strings.Repeat("a", 64) + "}", "{}", "metadata.name must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most"},
	{"a reference that cannot lead anywhere", "Session", "", "{chrootRef: {name: a}, profileRef: {name: A}}", "name must be lower-case letters, digits and dashes"},
	{"an alias that is the name", "Chroot", "{name: same}", "{aliases: [same], source: {directory: {path: /a}}}", "an alias is the name itself; leave it out"},
	{"an alias twice", "Chroot", "", "{aliases: [b, b], source: {directory: {path: /a}}}", `spec.aliases[1]: Duplicate value: "b"`},
	{"a hook twice", "Profile", "", "{hooks: [{name: b, command: [/a]}, {name: b, command: [/b]}]}", `spec.hooks[1]: Duplicate value: {"name":"b"}`},
	{"two sources", "Chroot", "", "{source: {directory: {path: /a}, file: {path: /b}}}", "exactly one of the fields in [directory plain file loopback blockDevice lvmSnapshot btrfsSnapshot] must be set"},
	{"no source", "Chroot", "", "{source: {location: /}}", "exactly one of the fields in [directory plain file"},
	{"a path that is not absolute", "Chroot", "", "{source: {directory: {path: srv/a}}}", "spec.source.directory.path in body should match"},
	{"a path that leads up", "Chroot", "", "{source: {directory: {path: /srv/../a}}}", "spec.source.directory.path in body should match"},
	{"two beginnings of a file system", "Chroot", "", "{source: {loopback: {path: /a.img, offset: 512, partition: 1}}}", "at most one of the fields in [offset partition] may be set"},
	{"a beginning in the middle of a sector", "Chroot", "", "{source: {loopback: {path: /a.img, offset: 513}}}", "spec.source.loopback.offset in body should be a multiple of 512"},
	{"an option that a field is for", "Chroot", "", "{source: {loopback: {path: /a.img, mountOptions: [offset=512]}}}", "belongs to mount(8); use offset or partition of the source"},
	{"a union of a plain chroot", "Chroot", "", "{source: {plain: {path: /a}}, union: {type: overlay}}", "plain and btrfsSnapshot take no union; leave it out"},
	{"a profile of a plain chroot", "Chroot", "", "{source: {plain: {path: /a}}, profileRef: {name: default}}", "a plain chroot is used as it is; use source directory for mounts, files and hooks"},
	{"a layer without a union", "Chroot", "", "{source: {directory: {path: /a}}, union: {type: none, volatile: true}}", "there is no layer without a union; use type: overlay"},
	{"hardly any room on disk", "Chroot", "", "{source: {directory: {path: /a}}, union: {upper: {size: 1Mi}}}", "is too small for an upper on disk, which takes 16Mi at least"},
	{"hardly any layer", "Chroot", "", "{source: {directory: {path: /a}}, union: {upper: {medium: Memory, size: 1}}}", "is too small; write for example 2Gi"},
	{"a thick snapshot without a size", "Chroot", "", "{source: {lvmSnapshot: {volumeGroup: vg, logicalVolume: a}}}", "say how much may be changed in a session with size, such as 2Gi or 20%"},
	{"more than all of it", "Chroot", "", "{source: {lvmSnapshot: {volumeGroup: vg, logicalVolume: a, size: 120%}}}", "must be a size, such as 2Gi, or a percentage of the volume's, such as 20%"},
	{"none of the values", "Session", "", "{chrootRef: {name: a}, expose: root}", `Unsupported value: "root": supported values: "Root", "Tree", "None"`},
	{"no time at all", "Session", "", "{chrootRef: {name: a}, ttl: 0s}", "must be longer than nothing; leave it out for ever"},
	{"a time in days", "Session", "", "{chrootRef: {name: a}, ttl: 1d}", "spec.ttl in body should match"},
	{"something to be saved of nothing", "Session", "", "{chrootRef: {name: a}, save: 1}", "only what was written into a source is saved; set openSource: true"},
	{"a word for a truth", "Session", "", `{chrootRef: {name: a}, suspend: "yes"}`, "spec.suspend in body must be of type boolean"},
	{"hardly any memory", "Session", "", "{chrootRef: {name: a}, limits: {memory: 1Ki}}", "must be at least 1Mi; leave it out for no limit"},
	{"a limit that there is not", "Session", "", "{chrootRef: {name: a}, limits: {rlimits: {files: {soft: 1}}}}", "names are those of limits.conf(5) that the kernel has"},
	{"more than may be", "Session", "", "{chrootRef: {name: a}, limits: {rlimits: {nofile: {soft: 2, hard: 1}}}}", "soft must not be more than hard"},
	{"a bind of nothing", "Profile", "", "{mounts: [{type: bind, target: /a}]}", "a bind has a source, the path on the host; no other type has one"},
	{"a tmpfs nowhere", "Profile", "", "{mounts: [{type: tmpfs}]}", "a tmpfs has a target"},
	{"a mount of another type", "Profile", "", "{mounts: [{type: nfs, target: /a}]}", `Unsupported value: "nfs": supported values: "proc", "sysfs", "dev"`},
	{"a mount on everything", "Profile", "", "{mounts: [{type: tmpfs, target: /}]}", "must not be the root itself"},
	{"a hook that does nothing", "Profile", "", "{hooks: [{name: a}]}", "has a command, a program and its arguments, or a file; one of them"},
	{"a program that is not said where", "Profile", "", "{hooks: [{name: a, command: [true]}]}", "must be of type string"},
	{"a program by its name", "Profile", "", "{hooks: [{name: a, command: [sh]}]}", "the program is an absolute path"},
	{"a database that there is not", "Profile", "", "{nssDatabases: [users]}", `Unsupported value: "users"`},
}

// TestRefused has both the server and Coppice refuse what is wrong, and the server say
// what.
func TestRefused(t *testing.T) {
	c := server(t)
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			c := client{t}
			if r.metadata == "" {
				r.metadata = "{name: wrong}"
			}
			text := "apiVersion: coppice.dev/v1alpha1\nkind: " + r.kind + "\nmetadata: " + r.metadata + "\nspec: " + r.spec + "\n"
			for _, args := range [][]string{{"create"}, {"apply", "--dry-run=server"}, {"apply", "--server-side"}} {
				out := c.refused(text, append(args, "-f", "-")...)
				// What is not of the types is found before that by who merges it.
				merged := slices.Contains(args, "--server-side") && strings.Contains(out, "failed to create typed patch object")
				if !merged && !strings.Contains(out, r.want) {
					t.Errorf("kubectl %s says\n%s\nwant %q", strings.Join(args, " "), out, r.want)
				}
			}
			if _, problems := spec.Parse("wrong.yaml", []byte(text)); len(problems) == 0 {
				t.Errorf("only the server refuses\n%s", text)
			}
		})
	}
	if left := c.do("", "get", "sessions,chroots,profiles", "-o", "name"); left != "" {
		t.Errorf("what was refused is there:\n%s", left)
	}
}

// TestChangesAreRefused has the server hold the rules when an object changes, too.
func TestChangesAreRefused(t *testing.T) {
	c := server(t)
	c.do("{apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: a}, spec: {chrootRef: {name: b}}}", "create", "-f", "-")
	const both = `{"spec":{"chroot":{"source":{"directory":{"path":"/a"}}}}}`
	if out := c.refused("", "patch", "session", "a", "--type=merge", "-p", both); !strings.Contains(out, "exactly one of the fields in [chrootRef chroot] must be set") {
		t.Errorf("%s", out)
	}
	const other = `{"spec":{"chrootRef":null,"chroot":{"source":{"directory":{"path":"/a"}}}}}`
	c.do("", "patch", "session", "a", "--type=merge", "-p", other)
}

// TestWrittenTwice has only Coppice refuse a field that is written twice: what kubectl
// sends to the server, however strict, is the last of the two.
func TestWrittenTwice(t *testing.T) {
	c := server(t)
	const text = "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: a}\nspec: {ttl: 1h, chrootRef: {name: b}, ttl: 2h}\n"
	c.do(text, "create", "--validate=strict", "-f", "-")
	if ttl := c.do("", "get", "session", "a", "-o", "jsonpath={.spec.ttl}"); ttl != "2h" {
		t.Errorf("ttl is %s", ttl)
	}
	if _, problems := spec.Parse("twice.yaml", []byte(text)); len(problems) != 1 || !strings.Contains(problems[0].Message, "written twice") {
		t.Errorf("%v", problems)
	}
}
