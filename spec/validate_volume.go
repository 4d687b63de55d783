package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// DefaultFillThreshold is how full a snapshot or a pool may be, in percent.
const DefaultFillThreshold = 80

// volumeNames are the names that LVM allows (lvm(8)), short enough for a device.
var volumeNames = pattern(`^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,100}$`)

// createOptions are those of lvcreate(8) that say how a snapshot lies on the disks.
// What names, labels, sizes or activates it is for Coppice to say, and what changes
// lvm's own settings for the administrator of the host.
var createOptions = []string{
	"--alloc", "--chunksize", "--contiguous", "--noudevsync", "--readahead", "--stripes", "--stripesize", "--wipesignatures", "--zero",
}

var optionValue = pattern(`^[a-zA-Z0-9.]+$`)

func validateDevice(at *field.Path, d BlockDeviceSource) field.ErrorList {
	errs := validatePath(at.Child("path"), d.Path)
	if d.FSType != "" {
		errs = append(errs, oneOf(at.Child("fsType"), d.FSType, fileSystems...)...)
	}
	return append(errs, validateMountOptions(at, d.MountOptions)...)
}

func validateVolume(at *field.Path, l LVMSnapshotSource) field.ErrorList {
	var errs field.ErrorList
	for _, f := range []struct{ name, value, example string }{
		{"volumeGroup", l.VolumeGroup, "vg0"}, {"logicalVolume", l.LogicalVolume, "bookworm"},
	} {
		child := at.Child(f.name)
		switch {
		case f.value == "":
			errs = append(errs, field.Required(child, "a name, such as "+f.example))
		case !volumeNames().MatchString(f.value) || strings.Trim(f.value, ".") == "":
			errs = append(errs, field.Invalid(child, f.value, "must be a name, such as "+f.example+"; letters, digits and + _ . - are allowed"))
		}
	}
	size := at.Child("size")
	switch {
	case l.Size == "" && !l.Thin:
		errs = append(errs, field.Required(size, "how much may be changed in a session, such as 2Gi or 20%; or thin: true, if the volume lies in a thin pool"))
	case l.Size != "" && l.Thin:
		errs = append(errs, field.Forbidden(size, "a thin snapshot has none; leave it out, or thin"))
	case l.Size != "":
		if _, err := storeSize(l.Size); err != nil {
			errs = append(errs, field.Invalid(size, l.Size, err.Error()))
		}
	}
	if l.FSType != "" {
		errs = append(errs, oneOf(at.Child("fsType"), l.FSType, snapshotFileSystems...)...)
	}
	if t := l.FillThreshold; t != nil && (*t < 1 || *t > 100) {
		errs = append(errs, field.Invalid(at.Child("fillThreshold"), *t, "must be a percentage, from 1 to 100"))
	}
	for i, o := range l.CreateOptions {
		name, value, given := strings.Cut(o, "=")
		where := at.Child("createOptions").Index(i)
		switch {
		case !slices.Contains(createOptions, name):
			errs = append(errs, oneOf(where, name, createOptions...)...)
		case given && !optionValue().MatchString(value):
			errs = append(errs, field.Invalid(where, o, "must be an option of lvcreate(8) with its value, such as --chunksize=64k"))
		}
	}
	return append(errs, validateMountOptions(at, l.MountOptions)...)
}

// snapshotFileSystems are those of which two copies can be mounted at a time; btrfs
// knows its devices by UUID, and takes a copy for the original.
var snapshotFileSystems = slices.DeleteFunc(slices.Clone(fileSystems), func(s string) bool { return s == "btrfs" })

// Threshold returns FillThreshold, or its default.
func (l LVMSnapshotSource) Threshold() int {
	if l.FillThreshold == nil {
		return DefaultFillThreshold
	}
	return *l.FillThreshold
}

// StoreSize returns Size in bytes, or in percent with its sign; "" for a thin
// snapshot. Size was validated.
func (l LVMSnapshotSource) StoreSize() string {
	if l.Thin {
		return ""
	}
	size, _ := storeSize(l.Size) // validated
	return size
}

func storeSize(text string) (string, error) {
	if digits, is := strings.CutSuffix(text, "%"); is {
		if n, err := strconv.Atoi(digits); err != nil || n < 1 || n > 100 {
			return "", fmt.Errorf("must be a percentage of the volume's size, from 1%% to 100%%")
		}
		return text, nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.CmpInt64(1<<16) < 0 || q.CmpInt64(mostBytes) > 0 {
		return "", fmt.Errorf("must be a size, such as 2Gi, or a percentage of the volume's, such as 20%%")
	}
	return strconv.FormatInt((q.Value()+sector-1)/sector*sector, 10), nil // lvcreate takes whole sectors
}
