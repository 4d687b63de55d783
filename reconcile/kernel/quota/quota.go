// Package quota drives what sessions' own layers lie in when they are limited and the
// file system of the state folder keeps project quotas: a folder in the session's home
// that is a project by itself, with a limit. All that is made in it is of the same
// project, so the kernel counts it, and refuses what is too much.
//
// Which project it is stands in the folder's own inode, and nowhere else; the limit, in
// the file system's table of quotas, which is asked for it. The folder is made under
// another name and renamed when it has both. What a session has used is read from the
// same table and never added up. Projects are taken from a range of our own, and none
// that has files, a limit, or a name in /etc/projects or /etc/projid.
//
// It never looks at what is written there.
package quota

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/filling"
	"coppice.dev/reconcile/kernel/home"
	"coppice.dev/reconcile/layout"
	"coppice.dev/reconcile/object"
)

// Driver drives object.Quota.
type Driver struct {
	layout layout.Layout
	// trashed is told when something was put into the trash. It must not block.
	trashed func()
	// layers are those that were seen, for the watch.
	layers *filling.Layers
	// projects and projid are where the administrator names projects.
	projects, projid string
	// many is how many projects there are to choose from.
	many uint32
}

// New returns a driver. It tells trashed when it put something into the trash, which
// must not block.
func New(l layout.Layout, trashed func()) *Driver {
	return &Driver{layout: l, trashed: trashed, layers: filling.NewLayers(), projects: "/etc/projects", projid: "/etc/projid", many: many}
}

// unfinished ends the name of a folder that has no limit yet.
const unfinished = ".new"

var address = object.At(object.GroupLayer, "quota")

// open opens a folder; nil if there is none.
func open(path string) (*os.File, error) {
	folder, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	return folder, err
}

// Observe implements driver.Driver.
func (d *Driver) Observe(_ context.Context, owner object.Owner, known []object.Object) ([]object.Observed, error) {
	path := d.layout.Layer(owner.Name)
	folder, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("look at the upper layer's folder: %w", err)
	}
	seen := object.Observed{ID: object.ID{Owner: owner, Address: address}, Kind: object.KindQuota, Name: path}
	d.layers.Track(owner, folder != nil)
	if folder == nil {
		if _, err := os.Lstat(path + unfinished); errors.Is(err, fs.ErrNotExist) {
			return nil, nil // most sessions have none
		} else if err != nil {
			return nil, fmt.Errorf("look at the upper layer's folder: %w", err)
		}
		seen.Damage = "making it was interrupted"
		return []object.Observed{seen}, nil
	}
	defer folder.Close()
	is, lost, err := look(folder)
	if err != nil {
		return nil, fmt.Errorf("look at the quota of %s: %w", path, err)
	}
	if lost != "" {
		if len(known) > 0 { // nothing can be done about it here
			seen.Spec, seen.Print = known[0].Spec, object.PrintOf(known[0].Spec)
		}
		seen.Failing, seen.FailingReason = lost, string(fault.StateLost)
		return []object.Observed{seen}, nil
	}
	seen.Spec = object.Quota{Path: path, Size: is.Limit}
	seen.Print = object.PrintOf(seen.Spec)
	seen.Used, seen.Limit = is.Used, is.Limit
	if seen.Failing = filling.Space(is).Full(); seen.Failing != "" {
		seen.FailingReason = string(fault.NoSpace)
	}
	return []object.Observed{seen}, nil
}

// look looks at the account of a layer's folder. lost says why nothing limits it any
// more, and nobody can have that back but the administrator.
func look(folder *os.File) (is account, lost string, err error) {
	project, inherits, err := projectOf(folder)
	switch {
	case err != nil:
		return account{}, "", err
	case !ours(project) || !inherits:
		return account{}, "nothing limits what is written: somebody took its folder out of its project; recreate the session", nil
	case !enforced(folder):
		return account{}, "nothing limits what is written: the file system of the state folder does not keep project quotas any more; mount it with prjquota, or recreate the session", nil
	}
	is, err = accountOf(folder, project)
	return is, "", err
}

// Create implements driver.Driver.
func (d *Driver) Create(_ context.Context, o object.Object, _ []object.Object) error {
	spec := o.Spec.(object.Quota)
	if _, err := os.Lstat(spec.Path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist // it holds what somebody wrote
		}
		return fmt.Errorf("make the upper layer's folder: %w", err)
	}
	path := spec.Path + unfinished
	if err := d.drop(path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return fault.Disk("make the upper layer's folder", err)
	}
	folder, err := open(path)
	if err != nil || folder == nil {
		return fmt.Errorf("make the upper layer's folder: %w", errors.Join(err, fs.ErrNotExist))
	}
	defer folder.Close()
	if !enforced(folder) {
		return off("limit the upper layer")
	}
	project, err := d.claim(folder)
	if err != nil {
		return explain("limit the upper layer", err)
	}
	if err := limit(folder, project, spec.Size, files(spec.Size)); err != nil {
		return explain("limit the upper layer", err)
	}
	if err := os.Rename(path, spec.Path); err != nil {
		return fmt.Errorf("publish the upper layer's folder: %w", err)
	}
	return nil
}

// files is how many files there may be in so many bytes: as many as those have blocks,
// so that what takes no space is limited too.
func files(size int64) int64 { return max(size/4096, 1) }

// Amend implements driver.Driver: it sets the limit.
func (d *Driver) Amend(_ context.Context, o object.Object) error {
	spec := o.Spec.(object.Quota)
	const doing = "change the limit of the upper layer"
	folder, err := open(spec.Path)
	if err != nil || folder == nil {
		return fmt.Errorf("%s: %w", doing, errors.Join(err, fs.ErrNotExist))
	}
	defer folder.Close()
	project, inherits, err := projectOf(folder)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", doing, err)
	case !ours(project) || !inherits:
		return &fault.Fault{
			Reason: fault.StateLost, Doing: doing, Err: errors.New("somebody took its folder out of its project"), Hint: "recreate the session",
		}
	case !enforced(folder):
		return off(doing)
	}
	return explain(doing, limit(folder, project, spec.Size, files(spec.Size)))
}

func off(doing string) error {
	return &fault.Fault{
		Reason: fault.WrongFileSystem, Doing: doing, Err: errors.New("the file system of the state folder does not keep project quotas any more"),
		Hint: "mount it with prjquota, or recreate the session",
	}
}

// explain says what a failed call means.
func explain(doing string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return &fault.Fault{Reason: fault.Surprise, Doing: doing, Err: err, Hint: "the kernel wants CAP_SYS_ADMIN for that, outside of any user namespace: see what coppiced runs in"}
	}
	return fault.Disk(doing, err)
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(_ context.Context, seen object.Observed) error {
	path := d.layout.Layer(seen.Owner.Name)
	d.layers.Track(seen.Owner, false)
	return errors.Join(d.drop(path+unfinished), d.drop(path))
}

// drop lifts the limit of a folder's project, so that nothing is left of it when the
// last of its files is gone, and then puts the folder into the trash.
func (d *Driver) drop(path string) error {
	folder, err := open(path)
	if err != nil || folder == nil {
		return err
	}
	defer folder.Close()
	project, inherits, err := projectOf(folder)
	if err != nil {
		return fmt.Errorf("look at the project of %s: %w", path, err)
	}
	if ours(project) && inherits && enforced(folder) {
		if err := lift(folder, project, strings.HasSuffix(path, unfinished)); err != nil {
			return fmt.Errorf("lift the limit of %s: %w", path, err)
		}
	}
	return home.ToTrash(d.layout, path, d.trashed)
}

// lift takes a project's limits away if it has any. What was not made whole is empty:
// if the project has more than that folder, a crash came before it was seen that it is
// somebody else's.
func lift(folder *os.File, project uint32, unfinished bool) error {
	is, err := accountOf(folder, project)
	if err != nil || is.Limit == 0 && is.MostFiles == 0 || unfinished && is.Files > 1 {
		return err
	}
	return limit(folder, project, 0, 0)
}
