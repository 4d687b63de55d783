package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// hope is what a good manifest comes to.
type hope string

// The hopes.
const (
	ready   hope = "ready"
	failing hope = "failing" // a hook of its own fails
	expires hope = "expired" // its time to live is over soon
)

// recipe is what a session is made of. Its texts are manifests' lines in which $
// stands for the private folder.
type recipe struct {
	kind   string
	chroot string // the chroot's line
	ref    string // the Chroot it names, if any
	own    int    // 1 + the number of the image that it writes to
	hope   hope
	wait   bool // for those inside, when it goes
	lines  []string
}

// limited is the kind of those whose upper on disk has a size.
const limited = "limited"

// chroots are what a session may be grown from.
var chroots = []struct{ kind, text string }{
	{"directory", "{source: {directory: {path: $/root}}}"},
	{"memory", "{source: {directory: {path: $/root}}, union: {upper: {medium: Memory, size: 8Mi}}}"},
	{"none", "{source: {directory: {path: $/root}}, union: {type: none}}"},
	{"plain", "{source: {plain: {path: $/root}}}"},
	{"tar", "{source: {file: {path: $/root.tar}}}"},
	{"tar.gz", "{source: {file: {path: $/root.tar.gz}}}"},
	{"tar, own", "{source: {file: {path: $/root.tar.zst}}, union: {type: none}}"},
	{"squashfs", "{source: {loopback: {path: $/root.sqfs}}}"},
	{"squashfs, memory", "{source: {loopback: {path: $/root.sqfs}}, union: {upper: {medium: Memory}}}"},
	{"erofs", "{source: {loopback: {path: $/root.erofs}}}"},
	{"ext4", "{source: {loopback: {path: $/root.ext4}}}"},
	{"ext4, own", "{source: {loopback: {path: $/ownN.ext4}}, union: {type: none}}"},
	{"btrfs", "{source: {btrfsSnapshot: {subvolume: $/pool/golden}}}"},
	{"chrootRef", ""},
	{limited, "{source: {directory: {path: $/root}}, union: {upper: {size: 16Mi}}}"},
}

// references is how many Chroots there are.
const references = 3

// draw draws what a new session is made of. Of the images that are written to,
// it takes only one that is free.
func draw(r *rand.Rand, name string, free []int) recipe {
	for {
		c := chroots[r.IntN(len(chroots))]
		d := recipe{kind: c.kind, chroot: c.text, hope: ready}
		switch c.kind {
		case "ext4, own":
			if len(free) == 0 {
				continue
			}
			n := free[r.IntN(len(free))]
			d.own, d.chroot = n+1, strings.Replace(c.text, "N", strconv.Itoa(n), 1)
		case "chrootRef":
			d.ref = fmt.Sprintf("c%d", r.IntN(references))
		}
		d.vary(r, name, true)
		return d
	}
}

// vary draws all that may change while a session stands. Only one that is new
// may get hooks that fail; they are put right by the next change.
func (d *recipe) vary(r *rand.Rand, name string, fresh bool) {
	d.lines, d.wait, d.hope = nil, false, ready
	add := func(format string, args ...any) { d.lines = append(d.lines, fmt.Sprintf(format, args...)) }
	grace := 1
	if d.kind != "plain" {
		d.inside(r, name, fresh, add)
	}
	switch r.IntN(6) {
	case 0:
		add("deletionPolicy: Wait")
		d.wait = true
	case 1:
		grace = 2
	}
	add("gracePeriod: %ds", grace)
	if !d.wait && r.IntN(3) == 0 {
		add("updateStrategy: Recreate")
	}
	switch r.IntN(4) {
	case 0:
		add("expose: None")
	case 1:
		add("expose: Tree")
	}
}

// inside draws what a session gets on top, which a plain one does not.
func (d *recipe) inside(r *rand.Rand, name string, fresh bool, add func(string, ...any)) {
	if r.IntN(3) == 0 {
		add("profileRef: {name: default}")
	}
	add("profile:")
	add("  mounts:")
	add("  - {type: tmpfs, target: /tmp, size: 1Mi}")
	if r.IntN(2) == 0 {
		add("  - {type: bind, source: $/share, target: /share}")
		if r.IntN(2) == 0 {
			add("  - {type: tmpfs, target: /share/deep, size: 1Mi}")
		}
	}
	if r.IntN(3) == 0 {
		add("  - {type: tmpfs, target: /srv, size: %dMi}", 1+r.IntN(3))
	}
	if r.IntN(4) == 0 {
		add("  - {type: bind, source: $/missing, target: /missing, optional: true}")
	}
	if r.IntN(3) == 0 {
		add("  copyFiles: [/etc/hosts]")
	}
	if r.IntN(4) == 0 {
		add("  nssDatabases: [group]")
	}
	switch n := r.IntN(9); {
	case n < 3:
		add("  hooks:")
		add("  - {name: mark, command: [/bin/sh, -c, 'touch $/hooked/%s'], undo: [/bin/sh, -c, 'rm -f $/hooked/%s']}", name, name)
		if n == 1 {
			add("  - {name: slow, order: 1, command: [/bin/sleep, '0.7'], undo: [/bin/sleep, '0.2']}")
		}
		if n == 2 {
			add("  - {name: within, order: 2, place: Session, command: [/bin/touch, /tmp/hooked]}")
			add("  - {name: again, phase: recover, command: [/bin/true]}")
			add("  - {name: last, phase: stop, command: [/bin/true]}")
		}
	case n == 3 && fresh:
		d.hope = failing
		add("  hooks:")
		add("  - {name: mark, command: [/bin/sh, -c, 'touch $/hooked/%s'], undo: [/bin/sh, -c, 'rm -f $/hooked/%s']}", name, name)
		if r.IntN(2) == 0 {
			add("  - {name: bad, order: 1, command: [/bin/false]}")
		} else {
			add("  - {name: hangs, order: 1, timeout: 1s, command: [/bin/sleep, '60']}")
		}
	}
}

// manifest returns the session's manifest.
func (d recipe) manifest(name string) string {
	lines := d.lines
	if d.ref != "" {
		lines = append([]string{"chrootRef: {name: " + d.ref + "}"}, lines...)
	} else {
		lines = append([]string{"chroot: " + d.chroot}, lines...)
	}
	if d.hope == expires {
		lines = append(lines, "ttl: 2s")
	}
	return "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + "}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// chrootManifest returns the manifest of a Chroot that sessions refer to.
func chrootManifest(name, text string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: " + name + "}\nspec: " + text + "\n"
}
