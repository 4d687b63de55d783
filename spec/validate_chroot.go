package spec

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// personalities are the execution domains that setarch(8) knows and that a
// session may be given.
var personalities = []string{"linux", "linux32", "i386", "i686", "x86_64", "linux64", "arm", "armv7l", "aarch64", "undefined"}

// fileSystems are those that a root file system may have.
var fileSystems = []string{"ext4", "xfs", "btrfs", "squashfs", "erofs"}

// sector is what an offset into an image must be a multiple of, in bytes
// (loop(4)).
const sector = 512

func validateChroot(at *field.Path, c ChrootSpec) field.ErrorList {
	errs := validateSource(at.Child("source"), c.Source)
	if c.Union != nil {
		errs = append(errs, validateUnion(at, c)...)
	}
	errs = append(errs, validateLine(at.Child("description"), c.Description)...)
	errs = append(errs, validateReference(at.Child("profileRef"), c.ProfileRef)...)
	if c.Source.Plain != nil && c.ProfileRef != nil {
		errs = append(errs, field.Forbidden(at.Child("profileRef"), plainHint))
	}
	errs = append(errs, validateAccess(at.Child("access"), c.Access)...)
	if c.Personality != "" {
		errs = append(errs, oneOf(at.Child("personality"), c.Personality, personalities...)...)
	}
	if c.Shell != "" {
		errs = append(errs, validatePath(at.Child("shell"), c.Shell)...)
	}
	for i, word := range c.CommandPrefix {
		if word == "" && i == 0 {
			errs = append(errs, field.Required(at.Child("commandPrefix").Index(i), "a program"))
		}
		errs = append(errs, validateWord(at.Child("commandPrefix").Index(i), word)...)
	}
	errs = append(errs, validateVariables(at.Child("hookEnvironment"), c.HookEnvironment)...)
	if v := c.HookVariables; v != nil {
		errs = append(errs, validateHandedOn(at.Child("hookVariables", "users"), v.Users)...)
		errs = append(errs, validateHandedOn(at.Child("hookVariables", "rootUsers"), v.RootUsers)...)
	}
	errs = append(errs, validateLimits(at.Child("limits"), c.Limits)...)
	return append(errs, validateEnvironment(at.Child("environment"), c.Environment)...)
}

func validateAliases(at *field.Path, name string, aliases []string) field.ErrorList {
	errs := append(duplicates(at, aliases), atMost(at, len(aliases), maxAliases)...)
	for i, alias := range aliases {
		errs = append(errs, validateAlias(at.Index(i), alias)...)
		if alias == name && name != "" {
			errs = append(errs, field.Invalid(at.Index(i), alias, "is the name itself; leave it out"))
		}
	}
	return errs
}

func validateSource(at *field.Path, s Source) field.ErrorList {
	var errs field.ErrorList
	var given []string
	use := func(is bool, name string, more func(*field.Path) field.ErrorList) {
		if is {
			given = append(given, name)
			errs = append(errs, more(at.Child(name))...)
		}
	}
	use(s.Directory != nil, "directory", func(p *field.Path) field.ErrorList { return validatePath(p.Child("path"), s.Directory.Path) })
	use(s.Plain != nil, "plain", func(p *field.Path) field.ErrorList { return validatePath(p.Child("path"), s.Plain.Path) })
	use(s.File != nil, "file", func(p *field.Path) field.ErrorList { return validatePath(p.Child("path"), s.File.Path) })
	use(s.Loopback != nil, "loopback", func(p *field.Path) field.ErrorList { return validateLoopback(p, *s.Loopback) })
	use(s.BlockDevice != nil, "blockDevice", func(p *field.Path) field.ErrorList { return validateDevice(p, *s.BlockDevice) })
	use(s.LVMSnapshot != nil, "lvmSnapshot", func(p *field.Path) field.ErrorList { return validateVolume(p, *s.LVMSnapshot) })
	use(s.BtrfsSnapshot != nil, "btrfsSnapshot", func(p *field.Path) field.ErrorList { return validateBtrfs(p, *s.BtrfsSnapshot) })
	switch {
	case len(given) == 0:
		errs = append(errs, field.Required(at, "one of directory, plain, file, loopback, blockDevice, lvmSnapshot, btrfsSnapshot"))
	case len(given) > 1:
		errs = append(errs, field.Forbidden(at.Child(given[1]), given[0]+" is given already; keep one source"))
	}
	if s.Location != "" {
		errs = append(errs, validatePath(at.Child("location"), s.Location)...)
	}
	return errs
}

func validateLoopback(at *field.Path, l LoopbackSource) field.ErrorList {
	errs := validatePath(at.Child("path"), l.Path)
	if l.FSType != "" {
		errs = append(errs, oneOf(at.Child("fsType"), l.FSType, fileSystems...)...)
	}
	if l.Offset < 0 || l.Offset%sector != 0 {
		errs = append(errs, field.Invalid(at.Child("offset"), l.Offset, "must be a multiple of 512 bytes, from 0"))
	}
	if l.Partition < 0 || l.Partition > 128 {
		errs = append(errs, field.Invalid(at.Child("partition"), l.Partition, "must be the number of a partition, from 1"))
	}
	if l.Partition > 0 && l.Offset > 0 {
		errs = append(errs, field.Forbidden(at.Child("offset"), "the partition says where the file system begins; keep one of them"))
	}
	return append(errs, validateMountOptions(at, l.MountOptions)...)
}

func validateMountOptions(at *field.Path, options []string) field.ErrorList {
	errs := atMost(at.Child("mountOptions"), len(options), maxOptions)
	for i, o := range options {
		where := at.Child("mountOptions").Index(i)
		errs = append(errs, validateOption(where, o)...)
		switch key, _, _ := strings.Cut(o, "="); key {
		case "loop", "offset", "sizelimit":
			errs = append(errs, field.Invalid(where, o, "belongs to mount(8); use offset or partition of the source"))
		}
	}
	return errs
}

func validateBtrfs(at *field.Path, b BtrfsSnapshotSource) field.ErrorList {
	errs := validatePath(at.Child("subvolume"), b.Subvolume)
	if b.SnapshotDirectory != "" {
		errs = append(errs, validatePath(at.Child("snapshotDirectory"), b.SnapshotDirectory)...)
	}
	return errs
}

func validateUnion(at *field.Path, c ChrootSpec) field.ErrorList {
	u, union := c.Union, at.Child("union")
	errs := oneOf(union.Child("type"), u.Type, UnionOverlay, UnionNone)
	if u.Type == UnionOverlay {
		if c.Source.Plain != nil || c.Source.BtrfsSnapshot != nil {
			errs = append(errs, field.Forbidden(union.Child("type"), "plain and btrfsSnapshot take no union; leave it out"))
		}
		for i, lower := range u.Lowers {
			errs = append(errs, validatePath(union.Child("lowers").Index(i), lower)...)
		}
		errs = append(errs, duplicates(union.Child("lowers"), u.Lowers)...)
		return append(errs, validateUpper(union.Child("upper"), u.Upper)...)
	}
	if u.Type != UnionNone {
		return errs
	}
	if d := c.Source.Directory; d != nil && path.Clean(d.Path) == "/" && path.Clean("/"+c.Source.Location) == "/" {
		errs = append(errs, field.Forbidden(union.Child("type"), "the host's own root needs an overlay: nothing else keeps a session's writes apart"))
	}
	for name, given := range map[string]bool{"lowers": len(u.Lowers) > 0, "upper": u.Upper != nil, "volatile": u.Volatile != nil} {
		if given {
			errs = append(errs, field.Forbidden(union.Child(name), "there is no layer without a union; use type: overlay"))
		}
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}

// The smallest limits of an upper: on disk a file system has to fit in.
const (
	leastInMemory = 1 << 16
	leastOnDisk   = 16 << 20
)

// mostBytes is more than any machine has of anything; beyond it sums overflow.
const mostBytes = 1 << 60

// validateSize wants so many bytes at least; hint says so.
func validateSize(at *field.Path, size resource.Quantity, least int64, hint string) field.ErrorList {
	switch {
	case size.CmpInt64(least) < 0:
		return field.ErrorList{field.Invalid(at, size.String(), hint)}
	case size.CmpInt64(mostBytes) > 0:
		return field.ErrorList{field.Invalid(at, size.String(), "is more than 1Ei; no machine has that much")}
	}
	return nil
}

func validateUpper(at *field.Path, u *Upper) field.ErrorList {
	if u == nil {
		return nil
	}
	errs := oneOf(at.Child("medium"), u.Medium, MediumDisk, MediumMemory)
	switch {
	case u.Size == nil:
	case u.Medium == MediumMemory || u.Size.CmpInt64(leastInMemory) < 0:
		errs = append(errs, validateSize(at.Child("size"), *u.Size, leastInMemory, "is too small; write for example 2Gi")...)
	default:
		errs = append(errs, validateSize(at.Child("size"), *u.Size, leastOnDisk, "is too small for an upper on disk, which takes 16Mi at least")...)
	}
	return errs
}
