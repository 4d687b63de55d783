package schrootconf

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Type is what a chroot is made from.
type Type string

// The types of chroot.
const (
	Plain         Type = "plain"
	Directory     Type = "directory"
	File          Type = "file"
	Loopback      Type = "loopback"
	BlockDevice   Type = "block-device"
	LVMSnapshot   Type = "lvm-snapshot"
	BtrfsSnapshot Type = "btrfs-snapshot"
	ZFSSnapshot   Type = "zfs-snapshot"
	Custom        Type = "custom"
)

// Types are all types of chroot.
var Types = []Type{Plain, Directory, File, Loopback, BlockDevice, LVMSnapshot, BtrfsSnapshot, ZFSSnapshot, Custom}

// DefaultFilter is the default of environment-filter.
const DefaultFilter = `^(BASH_ENV|CDPATH|ENV|HOSTALIASES|IFS|KRB5_CONFIG|KRBCONFDIR|KRBTKFILE|KRB_CONF|LD_.*|LOCALDOMAIN|NLSPATH|PATH_LOCALE|RES_OPTIONS|TERMINFO|TERMINFO_DIRS|TERMPATH)$`

// Key is a key that schroot knows.
type Key struct {
	Name string
	// Types are the types that have it; all if empty.
	Types []Type
	// Standard is the value of a chroot that does not say.
	Standard string
	// Shown is set if `schroot --config` prints it even if it is not written.
	Shown bool
	// List is set if it is a list with commas, Truth if it is true or false.
	List, Truth bool
	// Required keys cannot be left out.
	Required bool
	// Ignored keys are known and have no effect any more.
	Ignored bool
}

// mountable are the types that are mounted from a device, unionable those that
// may have a layer for each session, sourced those that always have a source.
var (
	mountable = []Type{Loopback, BlockDevice, LVMSnapshot}
	unionable = []Type{Directory, Loopback, BlockDevice}
	sourced   = []Type{File, LVMSnapshot, BtrfsSnapshot, ZFSSnapshot}
	cloned    = slices.Concat(unionable, sourced)
)

// Keys are all keys that schroot 1.6.13 knows, the custom ones aside.
var Keys = []Key{
	{Name: "type", Standard: string(Plain), Shown: true},
	{Name: "description", Shown: true},
	{Name: "message-verbosity", Standard: "normal", Shown: true},
	{Name: "users", List: true, Shown: true},
	{Name: "groups", List: true, Shown: true},
	{Name: "root-users", List: true, Shown: true},
	{Name: "root-groups", List: true, Shown: true},
	{Name: "aliases", List: true, Shown: true},
	{Name: "profile", Standard: "default", Shown: true},
	{Name: "script-config"},
	{Name: "setup.config"}, {Name: "setup.copyfiles"}, {Name: "setup.fstab"}, {Name: "setup.nssdatabases"},
	{Name: "setup.services", List: true},
	{Name: "command-prefix", List: true, Shown: true},
	{Name: "personality"},
	{Name: "preserve-environment", Truth: true, Standard: "false", Shown: true},
	{Name: "shell", Shown: true},
	{Name: "environment-filter", Standard: DefaultFilter, Shown: true},
	{Name: "user-modifiable-keys", List: true, Shown: true},
	{Name: "root-modifiable-keys", List: true, Shown: true},

	{Name: "directory", Types: []Type{Plain, Directory}, Required: true, Shown: true},
	{Name: "file", Types: []Type{File, Loopback}, Required: true, Shown: true},
	{Name: "device", Types: []Type{BlockDevice, LVMSnapshot}, Required: true, Shown: true},
	{Name: "location", Types: slices.Concat([]Type{File}, mountable), Shown: true},
	{Name: "mount-options", Types: slices.Concat([]Type{ZFSSnapshot}, mountable), Shown: true},
	{Name: "lvm-snapshot-options", Types: []Type{LVMSnapshot}, Shown: true, Required: true},
	{Name: "btrfs-source-subvolume", Types: []Type{BtrfsSnapshot}, Required: true, Shown: true},
	{Name: "btrfs-snapshot-directory", Types: []Type{BtrfsSnapshot}, Required: true, Shown: true},
	{Name: "zfs-dataset", Types: []Type{ZFSSnapshot}, Required: true, Shown: true},
	{Name: "zfs-snapshot-options", Types: []Type{ZFSSnapshot}, Shown: true},
	{Name: "custom-session-cloneable", Types: []Type{Custom}, Truth: true, Standard: "true"},
	{Name: "custom-session-purgeable", Types: []Type{Custom}, Truth: true, Standard: "false", Shown: true},
	{Name: "custom-source-cloneable", Types: []Type{Custom}, Truth: true, Standard: "false"},

	{Name: "union-type", Types: unionable, Standard: "none", Shown: true},
	{Name: "union-mount-options", Types: unionable, Shown: true},
	{Name: "union-overlay-directory", Types: unionable, Standard: "/var/lib/schroot/union/overlay", Shown: true},
	{Name: "union-underlay-directory", Types: unionable, Standard: "/var/lib/schroot/union/underlay", Shown: true},
	{Name: "source-clone", Types: cloned, Truth: true, Standard: "true", Shown: true},
	{Name: "source-users", Types: cloned, List: true, Shown: true},
	{Name: "source-groups", Types: cloned, List: true, Shown: true},
	{Name: "source-root-users", Types: cloned, List: true, Shown: true},
	{Name: "source-root-groups", Types: cloned, List: true, Shown: true},

	{Name: "priority", Ignored: true},
	{Name: "active", Ignored: true},
	{Name: "run-setup-scripts", Ignored: true},
	{Name: "run-exec-scripts", Ignored: true},
	{Name: "run-session-scripts", Ignored: true},
}

// FindKey finds a key that schroot knows.
func FindKey(name string) (Key, bool) {
	i := slices.IndexFunc(Keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return Keys[i], true
}

// Of reports whether chroots of a type have the key.
func (k Key) Of(t Type) bool { return len(k.Types) == 0 || slices.Contains(k.Types, t) }

var (
	custom = pattern(`^([a-z][a-z0-9]*\.)+[a-z][a-z0-9-]*$`)
	name   = pattern(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	saved  = pattern(`\.dpkg-(old|dist|new|tmp)$`)
)

// pattern compiles a regular expression when it is first needed: the command schroot,
// which is called for each step of a build, never needs any.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// IsCustom reports whether a key is of the form that people may make up, with a
// dot in it. They become variables in the environment of setup scripts.
func IsCustom(key string) bool { return custom().MatchString(key) }

// Variable is what setup scripts find the value of a key of that form under.
func Variable(key string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// ValidName reports whether a chroot, an alias, a session or a file of chroot.d
// may have the name.
func ValidName(s string) bool { return name().MatchString(s) && !saved().MatchString(s) }

// Unioned reports whether each session has a layer of its own above the source.
func (c Chroot) Unioned() bool {
	return slices.Contains(unionable, c.Type()) && c.Text("union-type") != "none" && c.Text("union-type") != ""
}

// Sourced reports whether there is a chroot of the same name in the namespace
// source.
func (c Chroot) Sourced() bool {
	return (c.Unioned() || slices.Contains(sourced, c.Type())) && c.Bool("source-clone")
}

// standard returns what a key is if it is not written.
func (c Chroot) standard(key string) string {
	if file, is := strings.CutPrefix(key, "setup."); is && slices.Contains(profileFiles, file) {
		if folder := c.Text("profile"); folder != "" {
			return folder + "/" + file
		}
		return ""
	}
	if _, given := c.Given("script-config"); given && key == "profile" {
		return "" // the older key takes the place of this one
	}
	k, _ := FindKey(key)
	return k.Standard
}

// profileFiles are the files of a profile's folder that keys stand for.
var profileFiles = []string{"config", "copyfiles", "fstab", "nssdatabases"}
