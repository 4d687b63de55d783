package compile

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// asSchroot makes a hook's file be run as schroot-setup(5) has it: with schroot's
// words for the phases, and its variables. What the chroot's hookEnvironment sets
// comes above them.
func (c *compiler) asSchroot(hook *object.Hook, file string) {
	stages := map[string]string{
		string(spec.HookSetup): "setup-start", string(spec.HookRecover): "setup-recover", string(spec.HookStop): "setup-stop",
	}
	hook.Command = []string{file, stages[hook.Phase], "ok"}
	if hook.Undo != nil {
		hook.Undo = []string{file, stages[string(spec.HookStop)], "ok"}
	}
	hook.Env = slices.Concat(c.schrootEnvironment(), hook.Env)
}

// schrootEnvironment is what schroot tells its scripts, as far as it has a meaning
// here. The path is always told: a script that was told none would work on the
// host's own root.
func (c *compiler) schrootEnvironment() []string {
	s := c.record.Session
	root := c.layout.View(s.Name)
	env := []string{
		"SESSION_ID=" + s.Name,
		"CHROOT_NAME=" + s.ChrootName, "CHROOT_ALIAS=" + alias(s),
		"CHROOT_PATH=" + root, "CHROOT_MOUNT_LOCATION=" + root,
		"CHROOT_SESSION_CREATE=false", "CHROOT_SESSION_CLONE=false",
		"CHROOT_SESSION_PURGE=" + strconv.FormatBool(!s.Session.OpenSource && writesApart(s.Chroot)),
		"CHROOT_SESSION_SOURCE=" + strconv.FormatBool(s.Session.OpenSource),
		"CHROOT_PROFILE=" + s.ProfileName,
		"MOUNT_DIR=" + c.layout.Views(),
		"SYSCONF_DIR=/etc/schroot", "DATA_DIR=/usr/share/schroot", "SETUP_DATA_DIR=/usr/share/schroot/setup",
		"PLATFORM=linux", "HOST_OS=linux-gnu", "VERBOSE=normal",
	}
	env = append(env, sourceVariables(s.Chroot.Source)...)
	if l := s.Chroot.Source.Location; l != "" && l != "/" {
		env = append(env, "CHROOT_LOCATION="+path.Clean(l))
	}
	if u := s.Chroot.Union; u != nil && u.Type == spec.UnionOverlay {
		env = append(env, "CHROOT_UNION_TYPE=overlay")
	} else {
		env = append(env, "CHROOT_UNION_TYPE=none")
	}
	if s.Owner != nil {
		uid := strconv.Itoa(*s.Owner)
		env = append(env, "AUTH_UID="+uid, "AUTH_RUID="+uid)
	}
	if s.OwnerName != "" {
		env = append(env, "AUTH_USER="+s.OwnerName, "AUTH_RUSER="+s.OwnerName)
	}
	return env
}

// alias is the name that the chroot was asked for by. If that is its own, it is
// the one that scripts are told as its name, which may be another.
func alias(s spec.Admitted) string {
	if ref := s.Session.ChrootRef; ref != nil && ref.Name != s.ChrootName {
		return ref.Name
	}
	return cmp.Or(s.Chroot.HookEnvironment["CHROOT_NAME"], s.ChrootName)
}

// writesApart reports whether what a session writes goes with it.
func writesApart(c spec.ChrootSpec) bool {
	return c.Source.BtrfsSnapshot != nil || c.Source.LVMSnapshot != nil || c.Source.File != nil ||
		c.Union != nil && c.Union.Type == spec.UnionOverlay
}

// sourceVariables are those that a source has by its type.
func sourceVariables(s spec.Source) []string {
	switch {
	case s.Directory != nil:
		return []string{"CHROOT_TYPE=directory", "CHROOT_DIRECTORY=" + filepath.Clean(s.Directory.Path)}
	case s.File != nil:
		return []string{"CHROOT_TYPE=file", "CHROOT_FILE=" + s.File.Path, "CHROOT_FILE_REPACK=false"}
	case s.Loopback != nil:
		return []string{"CHROOT_TYPE=loopback", "CHROOT_FILE=" + s.Loopback.Path, mountOptions(s.Loopback.MountOptions)}
	case s.BlockDevice != nil:
		return []string{"CHROOT_TYPE=block-device", "CHROOT_DEVICE=" + s.BlockDevice.Path, mountOptions(s.BlockDevice.MountOptions)}
	case s.LVMSnapshot != nil:
		return []string{"CHROOT_TYPE=lvm-snapshot", "CHROOT_DEVICE=/dev/" + s.LVMSnapshot.VolumeGroup + "/" + s.LVMSnapshot.LogicalVolume, mountOptions(s.LVMSnapshot.MountOptions)}
	case s.BtrfsSnapshot != nil:
		return []string{
			"CHROOT_TYPE=btrfs-snapshot", "CHROOT_BTRFS_SOURCE_SUBVOLUME=" + s.BtrfsSnapshot.Subvolume,
			"CHROOT_BTRFS_SNAPSHOT_DIRECTORY=" + cmp.Or(s.BtrfsSnapshot.SnapshotDirectory, path.Dir(s.BtrfsSnapshot.Subvolume)),
		}
	}
	return nil
}

func mountOptions(list []string) string {
	if len(list) == 0 {
		return "CHROOT_MOUNT_OPTIONS="
	}
	return "CHROOT_MOUNT_OPTIONS=-o " + strings.Join(list, ",")
}
