package main

// kind is one way to make a session's root. In its text "$" is the folder on the
// kept disk, "#" the session's number modulo 3.
type kind struct {
	name string
	// prepare is a script that makes the sources, once.
	prepare string
	// chroot is the session's chroot.
	chroot string
	// forgets is set where what was written may be gone after a start of the
	// machine; the session itself must be back.
	forgets bool
	// most is how many of its sessions there are at a time; 2 if zero.
	most int
}

var kinds = []kind{
	{name: "directory", chroot: "source: {directory: {path: $/root}}"},
	{name: "memory", chroot: "source: {directory: {path: $/root}}, union: {upper: {medium: Memory}}", forgets: true},
	{name: "archive", prepare: "tar -C root -c . | zstd -q > root.tar.zst", chroot: "source: {file: {path: $/root.tar.zst}}"},
	{name: "copy", prepare: "", chroot: "source: {file: {path: $/root.tar.zst}}, union: {type: none}"},
	{name: "image", prepare: "mksquashfs root root.sqfs -quiet -no-progress", chroot: "source: {loopback: {path: $/root.sqfs}}"},
	{
		name: "written", prepare: "for i in 0 1 2; do truncate -s 32M $i.ext4; mkfs.ext4 -q -d root $i.ext4; done",
		chroot: "source: {loopback: {path: $/#.ext4}}, union: {type: none}", most: 1, forgets: false,
	},
	{
		name: "btrfs", prepare: "truncate -s 1G pool.img; mkfs.btrfs -q pool.img; mkdir pool; mount pool.img pool; btrfs -q subvolume create pool/root; cp -a root/. pool/root; umount pool",
		chroot: "source: {btrfsSnapshot: {subvolume: $/pool/root}}",
	},
	{
		name: "device", prepare: "truncate -s 32M device.ext4; mkfs.ext4 -q -d root device.ext4; ln -sfn $(losetup --find --show device.ext4) device",
		chroot: "source: {blockDevice: {path: $/device}}",
	},
	{
		name: "thick",
		prepare: `truncate -s 3G lvm.img; disk=$(losetup --find --show lvm.img)
{ vgcreate -q kept $disk; lvcreate -qy -L 64M -n thick kept; lvcreate -qy --type thin-pool -L 1G -n pool kept; lvcreate -qy --type thin -V 64M --thinpool pool -n thin kept; } 2>&1
mkfs.ext4 -q -d root /dev/kept/thick; mkfs.ext4 -q -d root /dev/kept/thin`,
		chroot: "source: {lvmSnapshot: {volumeGroup: kept, logicalVolume: thick, size: 32Mi}}",
	},
	{name: "thin", chroot: "source: {lvmSnapshot: {volumeGroup: kept, logicalVolume: thin, thin: true}}"},
}

// common is what all sources are made from.
const common = `mkdir -p root/bin root/etc root/dev root/proc root/sys root/tmp root/run m state
cp /bin/busybox root/bin/; for name in sh dd echo cat sync; do ln -s busybox root/bin/$name; done
echo powercut > root/etc/hostname`
