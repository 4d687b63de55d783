package lvm

import (
	"errors"
	"strings"

	"coppice.dev/reconcile/fault"
)

// words are what lvm says when it refuses something, and what a person can do
// about it. The first that is in its words counts.
var words = []struct {
	said   string
	reason fault.Reason
	hint   string
}{
	{"device-mapper driver", fault.KernelTooOld, "the kernel has no device-mapper: modprobe dm_mod, or install a kernel that has it"},
	{"/dev/mapper/control", fault.KernelTooOld, "the kernel has no device-mapper: modprobe dm_mod, or install a kernel that has it"},
	{"Required device-mapper target", fault.KernelTooOld, "the kernel lacks a part of device-mapper: modprobe dm_snapshot, or dm_thin_pool for thin volumes"},
	{"target support missing", fault.KernelTooOld, "the kernel lacks a part of device-mapper: modprobe dm_snapshot, or dm_thin_pool for thin volumes"},
	{"not detected in your kernel", fault.KernelTooOld, "the kernel lacks a part of device-mapper: modprobe dm_snapshot, or dm_thin_pool for thin volumes"},
	{"thin_check", fault.ToolMissing, "install the package thin-provisioning-tools"},
	{"nsufficient free", fault.NoSpace, "make room in the volume group (vgs shows what is free): remove volumes, vgextend it, or ask for less in size"},
	{"insufficient suitable", fault.NoSpace, "make room in the volume group (vgs shows what is free): remove volumes, vgextend it, or ask for less in size"},
	{"reached threshold", fault.NoSpace, "the thin pool is all but full: extend it with lvextend, or remove volumes"},
	{"out of data space", fault.NoSpace, "the thin pool is full: extend it with lvextend, or remove volumes"},
	{"already exists in volume group", fault.TargetUnusable, "rename or remove the volume of that name, which is somebody else's"},
	{"Snapshot origin LV", fault.SourceMissing, "make the logical volume, or change logicalVolume in the manifest; lvs lists them"},
	{"Failed to find logical volume", fault.SourceMissing, "make the logical volume, or change logicalVolume in the manifest; lvs lists them"},
	{"Volume group", fault.SourceMissing, "attach the disk of the volume group, or change volumeGroup in the manifest; vgs lists them"},
	{"in use", fault.Busy, "end what has it open or mounted: see lsof and findmnt"},
	{"is used by another device", fault.Busy, "remove what stands on it: see lsblk and dmsetup ls --tree"},
	{"missing PV", fault.DiskFailing, "a disk of the volume group is missing: bring it back, or vgreduce --removemissing"},
	{"Missing device", fault.DiskFailing, "a disk of the volume group is missing: bring it back, or vgreduce --removemissing"},
	{"unrecognized option", fault.SourceUnusable, "take the option out of the manifest, or install a newer lvm2"},
	{"does not accept option", fault.SourceUnusable, "take the option out of createOptions in the manifest: lvcreate(8) says which go with which"},
	{"Chunk size must be", fault.SourceUnusable, "change --chunksize in createOptions in the manifest"},
	{"Invalid argument", fault.SourceUnusable, "check size and options in the manifest against lvcreate(8)"},
}

// explain gives a failed command a reason and a hint.
func explain(doing string, err error) error {
	failed, is := errors.AsType[*Failed](err)
	if !is {
		return err
	}
	f := &fault.Fault{Reason: fault.SourceUnusable, Doing: doing, Err: err, Hint: "try the command by hand; lvm's own log is in /var/log or the journal"}
	for _, w := range words {
		if strings.Contains(failed.Said, w.said) {
			f.Reason, f.Hint = w.reason, w.hint
			break
		}
	}
	return f
}
