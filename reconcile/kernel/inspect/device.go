package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/diskimage"
	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// device looks at a block device: which it is, whether it can be written to, and
// what it holds.
func device(path, fsType string) (compile.Facts, error) {
	doing := "look at " + path
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return compile.Facts{}, missing(path, err, "plug the device in, or change the path in the manifest; lsblk lists what there is")
	}
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return compile.Facts{}, fmt.Errorf("%s: %w", doing, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return compile.Facts{}, &fault.Fault{
			Reason: fault.SourceUnusable, Doing: doing, Err: errors.New("it is no block device"), Hint: "use source loopback for an image in a file, directory for a folder",
		}
	}
	// The node, and so every path that leads to it, is known by its inode.
	facts := compile.Facts{Contents: object.FileIdentity{Device: st.Dev, Inode: st.Ino}}
	found := diskimage.FileSystem(file, 0)
	wrong := func(err error, hint string) (compile.Facts, error) {
		return facts, &fault.Fault{Reason: fault.WrongFileSystem, Doing: doing, Err: err, Hint: hint}
	}
	end, err := file.Seek(0, 2)
	switch {
	case err != nil:
		return facts, fault.Source(doing, err)
	case found == "" && partitioned(file, end):
		return wrong(errors.New("it is a disk with partitions"), "name one of them: lsblk "+path+" lists them")
	case found == "":
		return wrong(errors.New("there is no file system on it"), "use ext4, xfs, btrfs, squashfs or erofs; lsblk -f shows what there is")
	case fsType != "" && fsType != found:
		return wrong(fmt.Errorf("it holds %s, not %s", found, fsType), "change fsType, or leave it out")
	}
	locked, err := unix.IoctlGetInt(int(file.Fd()), unix.BLKROGET)
	if err != nil {
		return facts, fmt.Errorf("%s: ask whether it can be written to: %w", doing, err)
	}
	facts.FSType, facts.ReadOnly = found, diskimage.ReadOnly(found) || locked != 0
	return facts, nil
}

// volume looks at a logical volume that snapshots are to be taken of.
func volume(ctx context.Context, s spec.LVMSnapshotSource, volumes *lvm.Reports) (compile.Facts, error) {
	doing := fmt.Sprintf("look at volume %s/%s", s.VolumeGroup, s.LogicalVolume)
	all, err := volumes.Look(ctx, lvm.OfNow, s.VolumeGroup)
	if err != nil {
		return compile.Facts{}, err
	}
	unfit := func(what, hint string) (compile.Facts, error) {
		return compile.Facts{}, &fault.Fault{Reason: fault.SourceUnusable, Doing: doing, Err: errors.New(what), Hint: hint}
	}
	gone := func(what, hint string) (compile.Facts, error) {
		return compile.Facts{}, &fault.Fault{Reason: fault.SourceMissing, Doing: doing, Err: errors.New(what), Hint: hint}
	}
	v, there := all.Find(s.VolumeGroup, s.LogicalVolume)
	switch {
	case !lvm.Mapper():
		return compile.Facts{}, &fault.Fault{
			Reason: fault.KernelTooOld, Doing: doing, Err: errors.New("the kernel has no device-mapper"),
			Hint: "modprobe dm_mod, or run a kernel that has it (CONFIG_BLK_DEV_DM)",
		}
	case !there && !all.HasGroup(s.VolumeGroup):
		return gone("there is no volume group "+s.VolumeGroup+" with volumes in it", "attach its disk, or change volumeGroup in the manifest; vgs lists them")
	case !there:
		return gone("the group has no such volume", "make the logical volume, or change logicalVolume in the manifest; lvs "+s.VolumeGroup+" lists them")
	case v.Type == 't':
		return unfit("it is a thin pool", "name a volume that lies in it: lvs "+s.VolumeGroup+" lists them")
	case v.Type == 's' || v.Type == 'S':
		return unfit("it is a thick snapshot, and lvm takes none of those", "name "+s.VolumeGroup+"/"+v.Origin+", or use a thin volume")
	case s.Thin && v.Pool == "":
		return unfit("it lies in no thin pool", "give a size instead of thin: true")
	}
	facts, err := device(v.Path(), s.FSType)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unfit("it is not active", fmt.Sprintf("activate it: lvchange -ay %s/%s", s.VolumeGroup, s.LogicalVolume))
	case err == nil && facts.FSType == "btrfs":
		err = &fault.Fault{
			Reason: fault.WrongFileSystem, Doing: doing, Err: errors.New("it holds btrfs, of which no copy can be mounted beside the original"),
			Hint: "use source btrfsSnapshot, or another file system",
		}
	}
	// That the origin cannot be written to says nothing about its snapshots.
	facts.ReadOnly = diskimage.ReadOnly(facts.FSType)
	return facts, err
}
