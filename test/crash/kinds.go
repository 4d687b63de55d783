package main

import (
	"fmt"
	"slices"
	"strings"
)

// kind is one kind of session, and what happens to it.
type kind struct {
	name string
	// prepare is a script that makes the sources, in the prefix.
	prepare string
	// release is a script that gives back what prepare took of the machine.
	release string
	// begin and update are the manifests before and after a change; $ stands for
	// the prefix, @ for the name of a volume group of its own.
	begin, update string
	// sessions are the names of the sessions.
	sessions []string
	// damage is a script that does by hand what a repair is for. IN runs the rest
	// of the line inside the first session's mount namespace, PIN is its pin.
	damage string
	// shifting is set when the prints of what is made change from run to run,
	// since a path holds a number that is drawn, or the source is written to.
	shifting bool
	// watched has a daemon tried that watches its folders, as in life; the others
	// converge once, which is the same path with a clear end.
	watched bool
	// mapped is set when the kernel has to have device-mapper.
	mapped bool
	// counts is set when the file system of the state folder has to count projects.
	counts bool
	// busy leaves a process in the first session when it ends.
	busy bool
}

// session is a manifest of one session.
func session(name string, lines ...string) string {
	return "---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + "}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// profile is a manifest of one profile.
func profile(name string, lines ...string) string {
	return "---\napiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata: {name: " + name + "}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// The grown root that all sources are made of.
const grow = `
mkdir -p root/bin root/etc root/proc root/sys root/dev root/tmp root/srv
cp /bin/busybox root/bin/; ln -s busybox root/bin/sh; echo small >root/etc/motd
`

// volumes makes a volume group with a thick and a thin volume that hold the root.
const volumes = `
truncate -s 512M disk.img; disk=$(losetup --find --show disk.img)
{ vgcreate -q $VG $disk; lvcreate -qy -L 32M -n thick $VG; lvcreate -qy --type thin-pool -L 128M -n pool $VG; lvcreate -qy --type thin -V 32M --thinpool pool -n thin $VG; } >/dev/null 2>&1
mkfs.ext4 -q -d root /dev/$VG/thick; mkfs.ext4 -q -d root /dev/$VG/thin
`

const release = `for i in 1 2 3 4 5 6 7 8; do vgs $VG >/dev/null 2>&1 || break; vgremove -ffy $VG >/dev/null 2>&1 || sleep 0.5; done
for disk in $(losetup --noheadings --output NAME --associated disk.img); do losetup --detach $disk; done`

func names() []string {
	var all []string
	for _, k := range kinds {
		all = append(all, k.name)
	}
	return all
}

var kinds = []kind{
	{
		name: "directory", prepare: grow, sessions: []string{"a"}, busy: true,
		begin:  session("a", "chroot: {source: {directory: {path: $/root}}}", "profileRef: {name: default}"),
		update: session("a", "chroot: {source: {directory: {path: $/root}}}", "profileRef: {name: default}", "expose: Tree", "gracePeriod: 1s"),
		damage: "IN umount /proc; umount -l run/sessions/a/root; rm -r state/sessions/a/work",
	},
	{
		name: "memory", prepare: grow, sessions: []string{"a"},
		begin:  session("a", "chroot: {source: {directory: {path: $/root}}, union: {upper: {medium: Memory, size: 16Mi}}}"),
		update: session("a", "chroot: {source: {directory: {path: $/root}, location: /srv}, union: {upper: {medium: Memory, size: 8Mi}}}", "updateStrategy: Recreate"),
		damage: "umount -l PIN",
	},
	{
		name: "limited", prepare: grow, sessions: []string{"a"}, busy: true,
		begin:  session("a", "chroot: {source: {directory: {path: $/root}}, union: {upper: {size: 24Mi}}}"),
		update: session("a", "chroot: {source: {directory: {path: $/root}}, union: {upper: {size: 16Mi}}}", "updateStrategy: Recreate"),
		damage: "umount -l PIN; umount -l run/stores/a",
	},
	{
		name: "counted", sessions: []string{"a"}, busy: true, counts: true,
		prepare: grow + "truncate -s 64M counting.img; mkfs.ext4 -q -O quota,project counting.img; mkdir state; mount -o loop,prjquota counting.img state\n",
		begin:   session("a", "chroot: {source: {directory: {path: $/root}}, union: {upper: {size: 24Mi}}}"),
		update:  session("a", "chroot: {source: {directory: {path: $/root}}, union: {upper: {size: 16Mi}}}", "expose: None"),
		damage:  "umount -l PIN; rm -r --one-file-system state/sessions/a/layer/work",
	},
	{
		name: "archive", prepare: grow + "tar -C root -c . | gzip -1 >root.tar.gz\n", sessions: []string{"a", "b"},
		begin: session("a", "chroot: {source: {file: {path: $/root.tar.gz}}}") +
			session("b", "chroot: {source: {file: {path: $/root.tar.gz}}}", "expose: None"),
		update: session("a", "chroot: {source: {file: {path: $/root.tar.gz}}}") +
			session("b", "chroot: {source: {file: {path: $/root.tar.gz}}, union: {type: none}}", "updateStrategy: Recreate"),
		damage: "umount -l PIN; IN true; rm -r state/sessions/b/upper",
	},
	{
		name: "image", prepare: grow + "truncate -s 16M root.ext4; mkfs.ext4 -q -d root root.ext4\n", sessions: []string{"a"}, busy: true, shifting: true,
		begin:  session("a", "chroot: {source: {loopback: {path: $/root.ext4}}, union: {type: none}}"),
		update: session("a", "chroot: {source: {loopback: {path: $/root.ext4}}}", "updateStrategy: Recreate"),
		damage: "umount -l run/bases/*; IN umount /dev/pts",
	},
	{
		name: "shared-image", prepare: grow + "mksquashfs root root.sqfs -quiet -no-progress -comp gzip >/dev/null\n", sessions: []string{"a", "b"},
		begin: session("a", "chroot: {source: {loopback: {path: $/root.sqfs}}}") +
			session("b", "chroot: {source: {loopback: {path: $/root.sqfs}}, union: {upper: {medium: Memory}}}"),
		update: session("a", "chroot: {source: {loopback: {path: $/root.sqfs}}}", "expose: None") +
			session("c", "chroot: {source: {loopback: {path: $/root.sqfs}}}"),
		damage: "umount -l PIN; umount -l run/bases/*; umount -l run/sessions/b/root",
	},
	{
		name: "btrfs", sessions: []string{"a", "b"}, shifting: true,
		prepare: grow + `truncate -s 128M pool.img; mkfs.btrfs -q pool.img >/dev/null 2>&1; mkdir pool; mount -o loop pool.img pool
btrfs -q subvolume create pool/golden; cp -a root/. pool/golden`,
		begin: session("a", "chroot: {source: {btrfsSnapshot: {subvolume: $/pool/golden}}}") +
			session("b", "chroot: {source: {btrfsSnapshot: {subvolume: $/pool/golden}}}"),
		update: session("a", "chroot: {source: {btrfsSnapshot: {subvolume: $/pool/golden}}}", "expose: Tree") +
			session("c", "chroot: {source: {btrfsSnapshot: {subvolume: $/pool/golden}}}"),
		damage: "umount -l PIN; btrfs -q subvolume delete pool/.coppice-snapshots/b* || btrfs -q subvolume delete pool/.coppice-snapshots/*b*",
	},
	{
		name: "block-device", sessions: []string{"a", "b"}, shifting: true,
		prepare: grow + `truncate -s 16M a.img b.img; mkfs.ext4 -q -d root a.img; mkfs.ext4 -q -d root b.img
ln -s $(losetup --find --show a.img) shared; ln -s $(losetup --find --show b.img) own`,
		release: "for device in shared own; do if [ -e $device ]; then losetup --detach $(readlink $device); fi; done",
		begin: session("a", "chroot: {source: {blockDevice: {path: $/shared}}}") +
			session("b", "chroot: {source: {blockDevice: {path: $/own}}, union: {type: none}}"),
		update: session("a", "chroot: {source: {blockDevice: {path: $/shared}}}", "expose: None") +
			session("c", "chroot: {source: {blockDevice: {path: $/shared, mountOptions: [noatime]}}}"),
		damage: "umount -l PIN; umount -l run/disks/base.*",
	},
	{
		name: "lvm-thick", sessions: []string{"a", "b"}, shifting: true, mapped: true, prepare: grow + volumes, release: release,
		begin: session("a", "chroot: {source: {lvmSnapshot: {volumeGroup: @, logicalVolume: thick, size: 16Mi}}}") +
			session("b", "chroot: {source: {lvmSnapshot: {volumeGroup: @, logicalVolume: thick, size: 50%}}, union: {type: overlay}}"),
		update: session("a", "chroot: {source: {lvmSnapshot: {volumeGroup: @, logicalVolume: thick, size: 16Mi}}}", "expose: None") +
			session("c", "chroot: {source: {lvmSnapshot: {volumeGroup: @, logicalVolume: thick, size: 16Mi}}}"),
		damage: "umount -l PIN; umount -l run/disks/session.b",
	},
	{
		name: "lvm-thin", sessions: []string{"a"}, shifting: true, mapped: true, busy: true, prepare: grow + volumes, release: release,
		begin:  session("a", "chroot: {source: {lvmSnapshot: {volumeGroup: @, logicalVolume: thin, thin: true}}}"),
		update: session("a", "chroot: {source: {lvmSnapshot: {volumeGroup: @, logicalVolume: thin, thin: true, readOnly: true}}, union: {type: overlay}}", "updateStrategy: Recreate"),
		damage: "umount -l PIN; umount -l run/disks/session.a; lvchange -qy -an $(lvs --noheadings -o lv_path $VG | grep coppice.a) || true",
	},
	{
		name: "mounts-and-hooks", prepare: grow + "mkdir -p share/deep cache; echo shared >share/deep/file\n", sessions: []string{"a"}, busy: true,
		begin: profile("build",
			"mounts:", "- {type: proc}", "- {type: sysfs, options: [ro]}", "- {type: dev}", "- {type: devpts}", "- {type: shm, size: 1Mi}",
			"- {type: bind, source: $/share, target: /share}", "- {type: bind, source: $/cache, target: /share/deep, options: [ro]}",
			"- {type: tmpfs, target: /tmp, size: 2Mi}", "- {type: bind, source: $/missing, target: /missing, optional: true}",
			"copyFiles: [/etc/hosts]", "nssDatabases: [group]",
			"hooks:", hook("first", "touch $/hooked-first; echo one >/dev/null", "rm -f $/hooked-first"),
			hook("second", "touch $/hooked-second", "rm -f $/hooked-second"),
			"- {name: again, phase: recover, command: [/bin/sh, -c, 'touch $/recovered']}",
			"- {name: last, phase: stop, command: [/bin/sh, -c, 'rm -f $/recovered; touch $/stopped']}",
		) + session("a", "chroot: {source: {directory: {path: $/root}}}", "profileRef: {name: build}", "expose: Tree"),
		update: profile("build") + session("a", "chroot: {source: {directory: {path: $/root}}}", "profileRef: {name: build}", "expose: Tree",
			"profile:", "  mounts:", "  - {type: tmpfs, target: /srv, size: 1Mi}", "  hooks:", "  "+hook("third", "touch $/hooked-third", "rm -f $/hooked-third")),
		damage: "IN umount /share/deep; IN umount /tmp; umount -l run/sessions/a/root; rm state/sessions/a/journal/*hosts*",
	},
	{
		name: "plain", prepare: grow, sessions: []string{"a", "b"},
		begin: session("a", "chroot: {source: {directory: {path: $/root}}, union: {type: none}}") +
			session("b", "chroot: {source: {plain: {path: $/root}}}", "expose: None"),
		update: session("a", "chroot: {source: {directory: {path: $/root}}, union: {type: none}}", "expose: None") +
			session("b", "chroot: {source: {plain: {path: $/root}}}", "expose: Root"),
		damage: "IN umount /sys; umount -l run/sessions/a/root; rm -f run/sessions/a/view*",
	},
	{
		// The folder root is part of what is compared: nothing may come or go in it.
		name: "source", prepare: grow + "echo golden >root/etc/hosts\n", sessions: []string{"a"}, busy: true,
		begin: profile("all", "mounts:", "- {type: proc}", "- {type: dev}", "- {type: bind, source: $/root/srv, target: /tmp}",
			"- {type: tmpfs, target: /nowhere/at/all}", "copyFiles: [/etc/hosts]", "nssDatabases: [group]") +
			session("a", "chroot: {source: {directory: {path: $/root}}}", "profileRef: {name: all}", "openSource: true"),
		update: profile("all") + session("a", "chroot: {source: {directory: {path: $/root}}}", "profileRef: {name: all}", "openSource: true", "expose: Tree"),
		damage: "IN umount /proc; umount -l run/sessions/a/root; rm -r state/sessions/a/record.json",
	},
	{
		// Beside the archive nothing may stay, whenever packing it was interrupted.
		name: "saved-archive", prepare: grow + "mkdir pool; tar --xattrs --acls --sparse --pax-option=delete=atime,delete=ctime -C root -cf pool/root.tar .\n",
		sessions: []string{"a"}, shifting: true,
		begin:  session("a", "chroot: {source: {file: {path: $/pool/root.tar}}}", "openSource: true"),
		update: session("a", "chroot: {source: {file: {path: $/pool/root.tar}}}", "openSource: true", "save: 1"),
		damage: "IN umount /proc; umount -l PIN",
	},
}

// A daemon that watches, with everything that goes on beside the sessions' passes:
// the trash, the hints of files and of mounts.
func init() {
	k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == "shared-image" })]
	k.name, k.watched = "watching-daemon", true
	kinds = append(kinds, k)
}

func hook(name, command, undo string) string {
	return fmt.Sprintf("- {name: %s, command: [/bin/sh, -c, '%s'], undo: [/bin/sh, -c, '%s']}", name, command, undo)
}

// phase is a part of a session's life.
type phase string

// The phases.
const (
	begin  phase = "begin"
	update phase = "update"
	repair phase = "repair"
	end    phase = "end"
)

var allPhases = []phase{begin, update, repair, end}
