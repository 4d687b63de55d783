// Package lvm makes and removes snapshots of logical volumes, by the commands of
// lvm2, which are LVM's interface. It is the only place that does.
//
// A snapshot bears the label of its owner as a tag, which is put on it in the same
// command that makes it, and it is found again by that alone. A volume without our
// tag is never changed and never removed: the tag is part of what lvremove is told
// to look for.
package lvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/filling"
	"coppice.dev/reconcile/kernel/holders"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Volume.
type Driver struct {
	Controller string
	Reports    *Reports

	mu sync.Mutex
	// ours are the owners of volumes that were seen or made, and in which groups, so
	// that a session which has none need not have lvm asked for it.
	ours map[object.Owner][]string
	// seen is set when all volumes were looked at once: ours lacks none since.
	seen bool
	// figures are what the watch found last.
	figures Figures
	// bell rings when there is one.
	bell filling.Bell
}

// New returns a driver that runs commands by the tool.
func New(controller string, reports *Reports) *Driver {
	return &Driver{Controller: controller, Reports: reports, ours: map[object.Owner][]string{}, bell: filling.NewBell()}
}

// address is where a session's volume stands among its objects.
var address = object.At(object.GroupDevice, "volume")

// letting is how long the kernel is given to let go of a snapshot after its last
// mount; it does so in its own time.
const letting = 2 * time.Second

// owned is a volume with our tag.
type owned struct {
	Volume
	label object.Label
}

// own returns the volumes that bear a label of this controller's.
func (d *Driver) own(all Report) []owned {
	var list []owned
	for _, v := range all {
		for _, tag := range v.Tags {
			if l, err := object.ParseLabel(tag); err == nil && l.Controller == d.Controller {
				list = append(list, owned{v, l})
				break
			}
		}
	}
	return list
}

// of returns an owner's.
func (d *Driver) of(all Report, owner object.Owner) []owned {
	var list []owned
	for _, v := range d.own(all) {
		if v.label.Owner == owner {
			list = append(list, v)
		}
	}
	return list
}

// Owners implements driver.Finder. Where there is no lvm, or the kernel has no
// device-mapper, no volume can be in use.
func (d *Driver) Owners(ctx context.Context) ([]object.Owner, error) {
	if !d.Reports.Tool.Installed() || !Mapper() {
		return nil, nil
	}
	all, err := d.Reports.Look(ctx, OfNow)
	if err != nil {
		return nil, err
	}
	var owners []object.Owner
	found := map[object.Owner][]string{}
	for _, v := range d.own(all) {
		owners = append(owners, v.label.Owner)
		found[v.label.Owner] = append(found[v.label.Owner], v.Group)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ours, d.seen = found, true
	d.bell.Ring()
	return owners, nil
}

// Mapper reports whether the kernel has device-mapper, loaded already; lvm loads it
// when it is asked for volumes.
func Mapper() bool { return unix.Access("/sys/class/misc/device-mapper", unix.F_OK) == nil }

// concerns reports whether a session has to do with volumes at all.
func (d *Driver) concerns(owner object.Owner, known []object.Object) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(known) > 0 || len(d.ours[owner]) > 0
}

// groups are all in which an owner can have volumes, those that are named among
// them; none if that is not known, since nobody has looked at all of them yet.
func (d *Driver) groups(owner object.Owner, named ...string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.seen {
		return nil
	}
	groups := append(slices.Clone(d.ours[owner]), named...)
	slices.Sort(groups)
	return slices.Compact(groups)
}

// groupOf is the volume group that a path leads into, if it is one.
func groupOf(path string) []string {
	if path == "" {
		return nil
	}
	return []string{filepath.Base(filepath.Dir(path))}
}

// named are the volume groups that a session's volumes are made in.
func named(known []object.Object) []string {
	var groups []string
	for _, o := range known {
		if spec, is := o.Spec.(object.Volume); is {
			groups = append(groups, spec.Group)
		}
	}
	return groups
}

// Observe implements driver.Driver.
func (d *Driver) Observe(ctx context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	if !d.concerns(owner, known) {
		return nil, nil
	}
	all, err := d.Reports.Look(ctx, OfAPass, d.groups(owner, named(known)...)...)
	if err != nil {
		return nil, err
	}
	list := d.of(all, owner)
	if len(list) == 0 {
		return nil, nil
	}
	v := list[0]
	seen := object.Observed{
		ID: object.ID{Owner: owner, Address: address}, Kind: object.KindVolume, Name: v.Path(), Print: v.label.Print,
	}
	for _, o := range known {
		if spec, is := o.Spec.(object.Volume); is && object.PrintOf(spec).Identity == seen.Print.Identity {
			seen.Spec = spec
			seen.FailingReason, seen.Failing = trouble(v.Volume, all, spec.Threshold)
			break
		}
	}
	switch {
	case len(list) > 1:
		seen.Damage = fmt.Sprintf("there are two of it, %s and %s", list[0].Path(), list[1].Path())
	case v.Invalid:
		seen.Damage = fmt.Sprintf("it overflowed, and what was written is lost: the %s of its size were too little", size(v.Size))
	case !v.Active:
		seen.Print.Whole = "" // Amend activates it
		seen.Note = "it is not active"
	}
	return []object.Observed{seen}, nil
}

// Create implements driver.Driver.
func (d *Driver) Create(ctx context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Volume)
	label := object.Label{Controller: d.Controller, Owner: o.Owner, Print: object.PrintOf(spec)}
	d.mu.Lock()
	if !slices.Contains(d.ours[o.Owner], spec.Group) {
		d.ours[o.Owner] = append(d.ours[o.Owner], spec.Group)
	}
	d.bell.Ring()
	d.mu.Unlock()
	defer d.Reports.Changed()
	_, err := d.Reports.Tool.run(ctx, spec.Group, creation(spec, label.String())...)
	if err == nil {
		// The snapshot of a volume that is not active is not either.
		if _, statErr := os.Stat("/dev/" + spec.Group + "/" + spec.Name); errors.Is(statErr, fs.ErrNotExist) {
			d.Reports.Changed()
			return d.Amend(ctx, o)
		}
		return nil
	}
	doing := fmt.Sprintf("take snapshot of %s/%s", spec.Group, spec.Origin)
	if failed, is := errors.AsType[*Failed](err); is && strings.Contains(failed.Said, "already exists") {
		// A command that outlived the daemon which gave it may have been at work.
		d.Reports.Changed()
		if all, lookErr := d.Reports.Look(ctx, OfNow, spec.Group); lookErr == nil {
			if v, there := all.Find(spec.Group, spec.Name); there && len(d.of(Report{v}, o.Owner)) > 0 {
				return nil
			}
		}
		doing += " as " + spec.Name
	}
	return explain(doing, err)
}

// creation returns the command that takes a snapshot, and gives it its tag.
func creation(spec object.Volume, tag string) []string {
	args := []string{"lvcreate", "--yes", "--quiet", "--snapshot", "--addtag", tag, "--name", spec.Name}
	switch {
	case spec.Size == "":
		// A thin snapshot is made to be skipped when volumes are activated.
		args = append(args, "--setactivationskip", "n", "--activate", "y")
	case strings.HasSuffix(spec.Size, "%"):
		args = append(args, "--extents", spec.Size+"ORIGIN")
	default:
		args = append(args, "--size", spec.Size+"b")
	}
	if spec.ReadOnly {
		args = append(args, "--permission", "r")
	}
	return append(append(args, spec.Options...), spec.Group+"/"+spec.Origin)
}

// Amend implements driver.Driver: it activates a volume that is not, and gives it
// the tag that fits.
func (d *Driver) Amend(ctx context.Context, o object.Object) error {
	all, err := d.Reports.Look(ctx, OfNow, d.groups(o.Owner, o.Spec.(object.Volume).Group)...)
	if err != nil {
		return err
	}
	defer d.Reports.Changed()
	for _, v := range d.of(all, o.Owner) {
		if !v.Active {
			if _, err := d.Reports.Tool.run(ctx, v.Group, "lvchange", "--yes", "--quiet", "--activate", "y", "--ignoreactivationskip", v.Group+"/"+v.Name); err != nil {
				return explain("activate "+v.Path(), err)
			}
		}
		label := object.Label{Controller: d.Controller, Owner: o.Owner, Print: object.PrintOf(o.Spec)}
		if label == v.label {
			continue
		}
		if _, err := d.Reports.Tool.run(ctx, v.Group, "lvchange", "--yes", "--quiet", "--addtag", label.String(), "--deltag", v.label.String(), v.Group+"/"+v.Name); err != nil {
			return explain("label "+v.Path(), err)
		}
	}
	return nil
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(ctx context.Context, seen object.Observed) error {
	if !d.Reports.Tool.Installed() {
		if seen.Name == "" {
			return nil
		}
		_, err := d.Reports.Tool.find()
		return err
	}
	d.Reports.Changed()
	for deadline := time.Now().Add(letting); ; {
		all, err := d.Reports.Look(ctx, OfNow, d.groups(seen.Owner, groupOf(seen.Name)...)...)
		if err != nil {
			return err
		}
		list := d.of(all, seen.Owner)
		if len(list) == 0 {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.ours, seen.Owner)
			return nil
		}
		for _, v := range list {
			if err = d.remove(ctx, v); err != nil {
				break
			}
		}
		d.Reports.Changed()
		if err != nil && (fault.ReasonOf(err) != fault.Busy || time.Now().After(deadline)) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// remove removes a volume if it still is the one that was seen and bears the
// label that it bore.
func (d *Driver) remove(ctx context.Context, v owned) error {
	which := fmt.Sprintf(`lv_uuid="%s" && lv_tags={"%s"}`, v.UUID, v.label)
	_, err := d.Reports.Tool.run(ctx, v.Group, "lvremove", "--yes", "--quiet", "--select", which, v.Group)
	err = explain("remove snapshot "+v.Path(), err)
	if f, is := errors.AsType[*fault.Fault](err); is && f.Reason == fault.Busy {
		var st unix.Stat_t
		if unix.Stat(v.Path(), &st) == nil {
			f.Holders = holders.OfDevice(st.Rdev)
		}
	}
	return err
}

// trouble says that a volume, or the pool that it lies in, is near its end, and
// why. Threshold is in percent; 0 is none.
func trouble(v Volume, all Report, threshold int) (reason, message string) {
	nearly := func(what string, full float64, of int64, remedy string) {
		if message != "" || threshold == 0 || full < float64(threshold) {
			return
		}
		figures := strconv.FormatFloat(full, 'f', -1, 64) + "%"
		if of > 0 {
			figures += " of " + size(of)
		}
		reason, message = string(fault.NoSpace), fmt.Sprintf("%s full: %s; %s", figures, what, remedy)
	}
	sick := func(v Volume) {
		switch v.Health {
		case 'p', 'F':
			reason, message = string(fault.DiskFailing), v.Path()+" lacks a disk or failed: see lvs -o +lv_health_status and dmesg"
		case 'D':
			reason, message = string(fault.NoSpace), fmt.Sprintf("the thin pool %[1]s/%[2]s has no room left, %[3]s are full: writing fails in all that lies in it; lvextend --size +10G %[1]s/%[2]s, or remove volumes", v.Group, v.Name, size(v.Size))
		case 'M':
			reason, message = string(fault.DiskFailing), fmt.Sprintf("the metadata of the thin pool %[1]s/%[2]s is read-only, and so is all that lies in it: lvconvert --repair %[1]s/%[2]s", v.Group, v.Name)
		}
	}
	sick(v)
	if v.Pool == "" {
		nearly("the snapshot "+v.Path(), v.Data, v.Size, fmt.Sprintf("when it overflows all that was written is lost: lvextend --size +1G %s/%s", v.Group, v.Name))
		return reason, message
	}
	pool, there := all.Find(v.Group, v.Pool)
	if !there {
		return reason, message
	}
	sick(pool)
	name := fmt.Sprintf("%s/%s", pool.Group, pool.Name)
	nearly("the thin pool "+name, pool.Data, pool.Size, "when there is no room left, writing fails in all that lies in it: lvextend --size +10G "+name)
	nearly("the metadata of the thin pool "+name, pool.Metadata, 0, "when there is no room left, all that lies in it becomes read-only: lvextend --poolmetadatasize +1G "+name)
	return reason, message
}

// size writes a size in bytes for people.
func size(bytes int64) string {
	const unit = 1024
	value, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for len(units) > 1 && value >= unit {
		value, units = value/unit, units[1:]
	}
	return strconv.FormatFloat(float64(int64(value*10))/10, 'f', -1, 64) + " " + units[0]
}
