// Package layout names the paths that objects live at. A stable name is how one
// object finds another (the overlay its upper, the view its mount point), how a
// path is found again after a crash, and how its owner is read from it.
//
// It joins strings only; it never looks at the file system.
package layout

import (
	"path/filepath"
	"strings"

	"coppice.dev/reconcile/object"
)

// Layout holds the two folders that everything of one controller lies below.
type Layout struct {
	// State survives a reboot: /var/lib/coppice.
	State string
	// Run does not: /run/coppice.
	Run string
}

// Lock is the file whose flock(2) keeps a second controller away.
func (l Layout) Lock() string { return filepath.Join(l.State, "lock") }

// ID is the file that holds the controller's identity, part of every label.
func (l Layout) ID() string { return filepath.Join(l.State, "id") }

// Place is the file that tells the state folder from a copy of it.
func (l Layout) Place() string { return filepath.Join(l.State, "place") }

// Memory is the file that says which watched folders held manifests.
func (l Layout) Memory() string { return filepath.Join(l.State, "folders.json") }

// Trash is where trees wait to be removed.
func (l Layout) Trash() string { return filepath.Join(l.State, "trash") }

// Homes is the folder of the sessions' homes.
func (l Layout) Homes() string { return filepath.Join(l.State, "sessions") }

// Home is the home of a session.
func (l Layout) Home(session string) string { return filepath.Join(l.Homes(), session) }

// Record is what a session's home remembers.
func (l Layout) Record(session string) string { return filepath.Join(l.Home(session), "record.json") }

// Upper is a session's own layer.
func (l Layout) Upper(session string) string { return filepath.Join(l.Home(session), "upper") }

// StoreImage is the image that a session's own layer lies in if it is limited.
func (l Layout) StoreImage(session string) string {
	return filepath.Join(l.Home(session), "store.img")
}

// StoreNote says what a store was made with.
func (l Layout) StoreNote(session string) string {
	return filepath.Join(l.Home(session), "store.json")
}

// Stores is the folder of mounted stores.
func (l Layout) Stores() string { return filepath.Join(l.Run, "stores") }

// Store is where a session's store is mounted.
func (l Layout) Store(session string) string { return filepath.Join(l.Stores(), session) }

// StoredUpper is a session's own layer in its store.
func (l Layout) StoredUpper(session string) string { return filepath.Join(l.Store(session), "upper") }

// StoredWork is the work folder of a session's overlay in its store.
func (l Layout) StoredWork(session string) string { return filepath.Join(l.Store(session), "work") }

// Layer is the folder that a session's own layer lies in if a quota limits it.
func (l Layout) Layer(session string) string { return filepath.Join(l.Home(session), "layer") }

// LayerUpper is a session's own layer in that folder.
func (l Layout) LayerUpper(session string) string { return filepath.Join(l.Layer(session), "upper") }

// LayerWork is the work folder of a session's overlay in that folder.
func (l Layout) LayerWork(session string) string { return filepath.Join(l.Layer(session), "work") }

// Work is the work folder of a session's overlay.
func (l Layout) Work(session string) string { return filepath.Join(l.Home(session), "work") }

// Tree is where a session's own copy of an archive is unpacked.
func (l Layout) Tree(session string) string { return filepath.Join(l.Home(session), "tree") }

// Saved notes what a session's tree was packed into.
func (l Layout) Saved(session string) string { return filepath.Join(l.Home(session), "saved.json") }

// SnapshotLink leads to a session's snapshot, which may lie on another file system.
func (l Layout) SnapshotLink(session string) string {
	return filepath.Join(l.Home(session), "snapshot")
}

// SnapshotFolder is the name of the folder beside a btrfs subvolume that holds
// its snapshots. It is removed with the last of them.
const SnapshotFolder = ".coppice-snapshots"

// Journal is the folder with one file for each of a session's tasks.
func (l Layout) Journal(session string) string { return filepath.Join(l.Home(session), "journal") }

// BaseTrees is the folder of unpacked archives that sessions share.
func (l Layout) BaseTrees() string { return filepath.Join(l.State, "bases") }

// BaseTree is the unpacked archive of a base.
func (l Layout) BaseTree(key string) string { return filepath.Join(l.BaseTrees(), key) }

// IsBase reports whether a name can be a base's key, twelve digits of a hash: what
// is called otherwise in a folder of bases is somebody else's.
func IsBase(name string) bool {
	return len(name) == 12 && strings.Trim(name, "0123456789abcdef") == ""
}

// BaseMounts is the folder of mounted images that sessions share.
func (l Layout) BaseMounts() string { return filepath.Join(l.Run, "bases") }

// BaseMount is the mount of a base's image.
func (l Layout) BaseMount(key string) string { return filepath.Join(l.BaseMounts(), key) }

// Disks is the folder of mounted block devices.
func (l Layout) Disks() string { return filepath.Join(l.Run, "disks") }

// Disk is where an owner's block device is mounted. The name holds a dot, which
// is in no session's and in no base's name.
func (l Layout) Disk(o object.Owner) string {
	return filepath.Join(l.Disks(), string(o.Class)+"."+o.Name)
}

// DiskNote is a link that leads nowhere; its text says what the mount at Disk was
// made with.
func (l Layout) DiskNote(o object.Owner) string {
	return filepath.Join(l.Disks(), notePrefix+filepath.Base(l.Disk(o)))
}

const notePrefix = "note."

// ParseDisk reads whose disk is mounted in the folder of that name, or whose note
// has it.
func ParseDisk(name string) (object.Owner, bool) {
	class, rest, found := strings.Cut(strings.TrimPrefix(name, notePrefix), ".")
	o, err := object.ParseOwner(class + "/" + rest)
	if !found || err != nil || strings.Contains(rest, ".") || o.Class == object.Base && !IsBase(rest) {
		return object.Owner{}, false
	}
	return o, true
}

// Pins is the folder of the namespaces' pins: a mount of its own with private
// propagation, since the kernel refuses to pin a namespace anywhere else.
func (l Layout) Pins() string { return filepath.Join(l.Run, "ns") }

// PinFolder is the folder of a session's pins, of its own so that looking at one
// session costs the same however many there are.
func (l Layout) PinFolder(session string) string { return filepath.Join(l.Pins(), session) }

// Pin is the file that a session's namespace is bound to. Folder and name are the
// label: the session, and what it was made with and when.
func (l Layout) Pin(session string, print object.Print, instance string) string {
	return filepath.Join(l.PinFolder(session), print.String()+"."+instance)
}

// ParsePin reads the name that a pin has in its session's folder.
func ParsePin(name string) (print object.Print, instance string, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return object.Print{}, "", false
	}
	print = object.ParsePrint(parts[0] + "." + parts[1])
	return print, parts[2], print != (object.Print{}) && parts[2] != ""
}

// Views is the folder of what the host sees of sessions.
func (l Layout) Views() string { return filepath.Join(l.Run, "sessions") }

// View is the mount point of what the host sees of a session.
func (l Layout) View(session string) string { return filepath.Join(l.Views(), session, "root") }

// Scratch is a folder for mounts that live shorter than one step.
func (l Layout) Scratch() string { return filepath.Join(l.Run, "scratch") }

// Leases is the folder with a folder for each session that people were let into,
// and a file in it for each command.
func (l Layout) Leases() string { return filepath.Join(l.Run, "leases") }

// Status is the folder of the status files.
func (l Layout) Status() string { return filepath.Join(l.Run, "status") }

// Suspensions is the folder in which people say which sessions are left as they are;
// it outlives a reboot.
func (l Layout) Suspensions() string { return filepath.Join(l.State, "suspended") }

// Wishes is the folder in which people say which sessions are to go.
func (l Layout) Wishes() string { return filepath.Join(l.Run, "wishes") }

// Manifests is the watched folder whose manifests a reboot sweeps away.
func (l Layout) Manifests() string { return filepath.Join(l.Run, "manifests") }
