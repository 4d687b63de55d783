package schrootspec

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// Export turns a chroot into a section of schroot.conf. Its comments say what of
// it schroot has no counterpart for. What Import kept in annotations is there
// again as it was.
func Export(c *spec.Chroot) schrootconf.Chroot {
	c = c.DeepCopy()
	spec.Default(c)
	e := section{spec: c.Spec, values: map[string]string{}}
	e.source()
	e.union()
	e.lists()
	e.commands()
	e.profile(c.Annotations)
	for _, name := range slices.Sorted(maps.Keys(c.Annotations)) {
		key, is := strings.CutPrefix(name, Annotations)
		if _, known := schrootconf.FindKey(key); is && (known || schrootconf.IsCustom(key)) {
			e.values[key] = c.Annotations[name]
		}
	}
	e.hooks()
	made := schrootconf.New(cmp.Or(c.Annotations[Name], c.Name), e.values)
	made.Comments = e.comments
	return made
}

// section is one in the making.
type section struct {
	spec     spec.ChrootSpec
	values   map[string]string
	comments []string
}

// set writes a key, unless it says nothing.
func (e *section) set(key, value string) {
	if strings.ContainsAny(value, "\r\n") {
		e.comment("%s: a line break cannot be written", key)
		return
	}
	if value != "" {
		e.values[key] = value
	}
}

func (e *section) setList(key string, list []string) {
	if i := slices.IndexFunc(list, func(s string) bool { return strings.Contains(s, ",") }); i >= 0 {
		e.comment("%s: %q has a comma in it, which parts entries there", key, list[i])
		return
	}
	e.set(key, schrootconf.Join(list))
}

func (e *section) comment(format string, args ...any) {
	e.comments = append(e.comments, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
}

func (e *section) source() {
	s := e.spec.Source
	kind := func(t schrootconf.Type) { e.set("type", string(t)) }
	switch {
	case s.Plain != nil:
		kind(schrootconf.Plain)
		e.set("directory", s.Plain.Path)
	case s.Directory != nil:
		kind(schrootconf.Directory)
		e.set("directory", below(s.Directory.Path, s.Location))
		return
	case s.File != nil:
		kind(schrootconf.File)
		e.set("file", s.File.Path)
		if e.spec.Union.Type == spec.UnionNone {
			e.comment("union.type none: schroot unpacks the archive for each session anyway")
		}
	case s.Loopback != nil:
		kind(schrootconf.Loopback)
		e.set("file", s.Loopback.Path)
		e.mountOptions(s.Loopback.FSType, s.Loopback.MountOptions)
		if s.Loopback.Offset != 0 || s.Loopback.Partition != 0 {
			e.comment("offset and partition of the image: schroot mounts the whole of it")
		}
	case s.BlockDevice != nil:
		kind(schrootconf.BlockDevice)
		e.set("device", s.BlockDevice.Path)
		e.mountOptions(s.BlockDevice.FSType, s.BlockDevice.MountOptions)
	case s.LVMSnapshot != nil:
		l := s.LVMSnapshot
		kind(schrootconf.LVMSnapshot)
		e.set("device", "/dev/"+l.VolumeGroup+"/"+l.LogicalVolume)
		if l.Size != "" {
			e.set("lvm-snapshot-options", "--size "+strings.TrimSuffix(l.Size, "i"))
		}
		if l.Thin {
			e.comment("thin: schroot's snapshots need a size")
		}
		e.mountOptions(l.FSType, l.MountOptions)
	case s.BtrfsSnapshot != nil:
		b := s.BtrfsSnapshot
		kind(schrootconf.BtrfsSnapshot)
		e.set("btrfs-source-subvolume", b.Subvolume)
		e.set("btrfs-snapshot-directory", cmp.Or(b.SnapshotDirectory, path.Dir(b.Subvolume)))
	}
	if s.Location != "/" {
		if k, _ := schrootconf.FindKey("location"); !k.Of(schrootconf.Type(e.values["type"])) {
			e.comment("location %s: schroot has none for this type", s.Location)
			return
		}
		e.set("location", s.Location)
	}
}

func (e *section) mountOptions(fsType string, options []string) {
	var words []string
	if fsType != "" {
		words = append(words, "-t "+fsType)
	}
	if len(options) > 0 {
		words = append(words, "-o "+strings.Join(options, ","))
	}
	e.set("mount-options", strings.Join(words, " "))
}

func (e *section) union() {
	u := e.spec.Union
	k, _ := schrootconf.FindKey("union-type")
	if !k.Of(schrootconf.Type(e.values["type"])) {
		return
	}
	e.set("union-type", string(u.Type))
	if u.Type == spec.UnionNone {
		return
	}
	if u.Upper != nil && u.Upper.Medium == spec.MediumMemory {
		e.comment("union.upper in memory: mount a tmpfs at the union-overlay-directory")
	}
	if len(u.Lowers) > 0 {
		e.set("union-mount-options", fmt.Sprintf("lowerdir=%s:%s,upperdir=%s/upper,workdir=%s/work", strings.Join(u.Lowers, ":"), underlay, overlay, overlay))
	}
}

func (e *section) lists() {
	e.set("description", e.spec.Description)
	e.setList("aliases", e.spec.Aliases)
	if a := e.spec.Access; a != nil {
		e.setList("users", a.Users)
		e.setList("groups", a.Groups)
		e.setList("root-users", a.RootUsers)
		e.setList("root-groups", a.RootGroups)
		if s := a.Source; s != nil {
			e.setList("source-users", s.Users)
			e.setList("source-groups", s.Groups)
			e.setList("source-root-users", s.RootUsers)
			e.setList("source-root-groups", s.RootGroups)
		}
	}
}

func (e *section) commands() {
	e.setList("command-prefix", e.spec.CommandPrefix)
	e.set("shell", e.spec.Shell)
	switch p := e.spec.Personality; p {
	case "", "undefined":
	case "linux", "linux32":
		e.set("personality", p)
	case "i386", "i686", "arm", "armv7l":
		e.set("personality", "linux32")
	default:
		e.set("personality", "linux")
	}
	if f := e.spec.Environment.Filter; f != spec.DefaultEnvironmentFilter {
		e.set("environment-filter", partOfName(f))
	}
	if len(e.spec.Environment.Set) > 0 {
		e.comment("environment.set: schroot sets no variables")
	}
	if e.spec.Isolation != nil {
		e.comment("isolation: schroot has none")
	}
	if e.spec.Limits != nil {
		e.comment("limits: schroot has none")
	}
}

// partOfName is the opposite of wholeName.
func partOfName(filter string) string {
	if inner, is := strings.CutPrefix(filter, ".*(?:"); is && strings.HasSuffix(inner, ").*") {
		return strings.TrimSuffix(inner, ").*")
	}
	if wholeName(filter) == filter {
		return filter
	}
	return "^(" + filter + ")$"
}

// hooks tells of variables that do not come from keys.
func (e *section) hooks() {
	known := map[string]bool{ // those that tellScripts and a change of name set
		"CHROOT_NAME": true, "CHROOT_ALIAS": true, "CHROOT_DESCRIPTION": true, "CHROOT_SCRIPT_CONFIG": true,
		"CHROOT_PROFILE": true, "CHROOT_PROFILE_DIR": true, "SYSCONF_DIR": true,
	}
	for key := range e.values {
		if schrootconf.IsCustom(key) {
			known[schrootconf.Variable(key)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.spec.HookEnvironment)) {
		if !known[name] {
			e.comment("hookEnvironment %s=%s: write it as a key with a dot in it", name, e.spec.HookEnvironment[name])
		}
	}
	if v := e.spec.HookVariables; v != nil && e.values["user-modifiable-keys"]+e.values["root-modifiable-keys"] == "" {
		e.comment("hookVariables: name %s in user-modifiable-keys or root-modifiable-keys, as keys with a dot in them", strings.Join(slices.Concat(v.Users, v.RootUsers), ", "))
	}
}

// profile names the profile, and what of it schroot has too.
func (e *section) profile(annotations map[string]string) {
	if e.spec.Source.Plain != nil || annotations[Annotations+"profile"] != "" || annotations[Annotations+"script-config"] != "" {
		return
	}
	name := spec.DefaultProfile
	if e.spec.ProfileRef != nil {
		name = e.spec.ProfileRef.Name
	}
	e.set("profile", name)
	if !slices.Contains([]string{"minimal", "default", "desktop", "buildd", "sbuild"}, name) {
		e.comment("profile %s: its fstab, copyfiles and nssdatabases have to be made in /etc/schroot/%s", name, name)
	}
}

// below returns a path below a folder; the folder itself for "/".
func below(folder, location string) string {
	if location == "/" {
		return folder
	}
	return path.Join(folder, location)
}
