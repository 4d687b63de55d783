package view

import (
	"cmp"
	"slices"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/schroot/internal/names"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// lists are who may use a chroot.
type lists struct{ Users, Groups, RootUsers, RootGroups []string }

// Facts are what schroot would know of a chroot, its source, or a session.
type Facts struct {
	names.Name
	Description string
	Type        schrootconf.Type
	lists
	Aliases     []string
	Shell       string
	Filter      string
	Profile     string
	Prefix      []string
	Personality string

	// Repacked is set for an archive into which what is written goes at the end.
	Repacked bool
	// Cloned is set for a chroot whose sessions are copies, and Purged for a
	// session that is one.
	Cloned, Purged bool
	// Path is where the root is seen on the host; "" if nowhere.
	Path string

	Directory, File, Device string
	Subvolume, Snapshots    string
	LVMOptions              string
	MountOptions, Location  string
	// Union is none or overlay; "" for what has none.
	Union string
	// Source are the lists for the source; nil if there is none to be had.
	Source *lists
	// Original and Selected are a session's chroot, and the name it was asked for
	// by.
	Original, Selected string
	// IdleTimeout is how long sessions of the chroot that the command begins last
	// while nobody is inside, as it is written; "" is for ever.
	IdleTimeout string
	// variables are those for hooks that may be set for a session.
	variables *spec.HookVariables
	// Kept are keys that Coppice has nothing for, as annotations keep them.
	Kept map[string]string
}

// Preserves reports whether the chroot wants the caller's environment kept.
func (f Facts) Preserves() bool { return f.conf().Bool("preserve-environment") }

// Verbosity is how much the chroot wants to be said: quiet, normal or verbose.
func (f Facts) Verbosity() string { return f.conf().Text("message-verbosity") }

// Modifiable reports whether a key may have another value for a session: one of
// people's own, whose variable may be set by root or by everybody.
func (f Facts) Modifiable(key string, root bool) bool {
	if !schrootconf.IsCustom(key) || f.variables == nil {
		return false
	}
	name := schrootconf.Variable(key)
	return slices.Contains(f.variables.Users, name) || root && slices.Contains(f.variables.RootUsers, name)
}

// keeps are the keys, the custom ones aside, that are taken from annotations.
var keeps = []string{"profile", "preserve-environment", "message-verbosity", "user-modifiable-keys", "root-modifiable-keys"}

// kept returns the keys that annotations hold.
func kept(annotations map[string]string) map[string]string {
	keys := map[string]string{}
	for name, value := range annotations {
		key, is := strings.CutPrefix(name, schrootconf.Domain)
		if is && (slices.Contains(keeps, key) || schrootconf.IsCustom(key)) {
			keys[key] = value
		}
	}
	return keys
}

// OfChroot returns the facts of a chroot.
func OfChroot(c wire.Chroot) Facts {
	f := of(c.Spec)
	f.Name = names.Name{Namespace: names.Chroot, Name: cmp.Or(c.Annotations[names.Annotation], c.Name)}
	f.Description, f.Kept = c.Spec.Description, kept(c.Annotations)
	f.Profile = cmp.Or(f.Kept["profile"], f.Profile)
	f.IdleTimeout = c.Annotations[schrootconf.IdleTimeout]
	f.Aliases = slices.DeleteFunc(slices.Clone(c.Spec.Aliases), func(alias string) bool { return alias == f.Name.Name })
	if a := c.Spec.Access; a != nil {
		f.lists = lists{a.Users, a.Groups, a.RootUsers, a.RootGroups}
	}
	if f.Type == schrootconf.Plain {
		f.Path = f.Directory
	}
	return f
}

// OfSource returns the facts of a chroot's source; false if that cannot be opened.
func OfSource(c wire.Chroot) (Facts, bool) {
	f := OfChroot(c)
	if f.Source == nil {
		return Facts{}, false
	}
	f.Namespace = names.Source
	f.Description += " (source chroot)"
	f.lists, f.Source = *f.Source, nil
	f.Cloned, f.Union = false, ""
	f.asSource()
	return f, true
}

// asSource makes of what is grown from a source the source itself.
func (f *Facts) asSource() {
	f.Repacked = f.Type == schrootconf.File
	switch f.Type {
	case schrootconf.LVMSnapshot:
		f.Type, f.LVMOptions, f.Source = schrootconf.BlockDevice, "", nil
	case schrootconf.BtrfsSnapshot:
		f.Type, f.Directory, f.Source = schrootconf.Directory, f.Subvolume, nil
	}
}

// OfSession returns the facts of a session. Of the lists only whoever began it is
// left: it is theirs alone.
func OfSession(s wire.Session) Facts {
	f := of(s.Spec)
	f.Name = names.Name{Namespace: names.Session, Name: cmp.Or(s.Annotations[names.Annotation], s.Name)}
	f.Original, f.Kept = cmp.Or(s.Annotations[names.Original], s.Chroot), kept(s.Annotations)
	f.Profile = cmp.Or(f.Kept["profile"], f.Profile)
	f.Selected = cmp.Or(s.Annotations[names.Selected], f.Original)
	// An archive is unpacked for its source, too, and that goes.
	f.Purged, f.Cloned = f.Cloned && !s.Source || f.Type == schrootconf.File, false
	if s.Source {
		f.asSource()
	}
	if f.Type == schrootconf.Directory && f.Union == "" {
		f.Union = string(spec.UnionNone)
	}
	f.Description = s.Annotations[schrootconf.Domain+"description"] + " (session chroot)"
	f.Path = s.Root
	if f.Source = nil; f.Union == overlay {
		f.Source = &lists{} // as schroot tells of those with a union alone
	}
	owner := s.OwnerName
	switch a := s.Spec.Access; {
	case s.Owner != nil && owner != "" && s.OwnerIsRoot:
		f.RootUsers = []string{owner}
	case s.Owner != nil && owner != "":
		f.Users = []string{owner}
	case s.Owner == nil && a != nil:
		f.lists = lists{a.Users, a.Groups, a.RootUsers, a.RootGroups}
	}
	return f
}

// of returns what a chroot and its sessions have in common.
func of(c spec.ChrootSpec) Facts {
	f := Facts{variables: c.HookVariables, Shell: c.Shell, Prefix: c.CommandPrefix, Personality: c.Personality, Profile: spec.DefaultProfile}
	if c.ProfileRef != nil {
		f.Profile = c.ProfileRef.Name
	}
	if c.Environment != nil {
		f.Filter = c.Environment.Filter
	}
	if c.Source.Location != "/" {
		f.Location = c.Source.Location
	}
	union := string(spec.UnionNone)
	if c.Union != nil && c.Union.Type != "" {
		union = string(c.Union.Type)
	}
	f.Cloned = union != string(spec.UnionNone)
	switch s := c.Source; {
	case s.Plain != nil:
		f.Type, f.Directory = schrootconf.Plain, s.Plain.Path
	case s.Directory != nil:
		f.Type, f.Directory, f.Union = schrootconf.Directory, s.Directory.Path, union
	case s.File != nil:
		f.Type, f.File, f.Cloned = schrootconf.File, s.File.Path, true
	case s.Loopback != nil:
		f.Type, f.File, f.Union, f.MountOptions = schrootconf.Loopback, s.Loopback.Path, union, options(s.Loopback.MountOptions)
	case s.BlockDevice != nil:
		f.Type, f.Device, f.Union, f.MountOptions = schrootconf.BlockDevice, s.BlockDevice.Path, union, options(s.BlockDevice.MountOptions)
	case s.LVMSnapshot != nil:
		l := s.LVMSnapshot
		f.Type, f.Device, f.MountOptions, f.Cloned = schrootconf.LVMSnapshot, "/dev/"+l.VolumeGroup+"/"+l.LogicalVolume, options(l.MountOptions), true
		if l.Size != "" {
			f.LVMOptions = "--size " + l.Size
		}
	case s.BtrfsSnapshot != nil:
		f.Type, f.Subvolume, f.Snapshots, f.Cloned = schrootconf.BtrfsSnapshot, s.BtrfsSnapshot.Subvolume, s.BtrfsSnapshot.SnapshotDirectory, true
	}
	if f.Cloned && spec.CannotOpen(c) == "" {
		f.Source = &lists{}
		if a := c.Access; a != nil && a.Source != nil {
			f.Source = &lists{a.Source.Users, a.Source.Groups, a.Source.RootUsers, a.Source.RootGroups}
		}
	}
	return f
}

// options are a file system's, as for mount(8).
func options(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "-o " + strings.Join(list, ",")
}
