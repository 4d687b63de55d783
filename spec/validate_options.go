package spec

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// opposites are the options that any mount may have, each with what it takes
// back.
var opposites = map[string]string{
	"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec", "noatime": "atime",
	"nodiratime": "diratime", "nosymfollow": "symfollow",
	"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec", "atime": "noatime",
	"diratime": "nodiratime", "symfollow": "nosymfollow",
	"relatime": "",
}

// ownOptions are those of the file systems, by type of mount; those with a value
// end in "=".
var ownOptions = map[MountType][]string{
	MountProc:   {"gid=", "hidepid=", "subset="},
	MountSysfs:  {},
	MountDev:    {"mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "huge=", "mpol=", "noswap", "inode32", "inode64"},
	MountDevpts: {"mode=", "uid=", "gid=", "ptmxmode=", "max=", "newinstance"},
	MountBind:   {"bind", "rbind"},
}

func init() {
	ownOptions[MountShm] = ownOptions[MountDev] // both are a tmpfs
	ownOptions[MountTmpfs] = ownOptions[MountDev]
}

func validateOptions(at *field.Path, m Mount) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, o := range m.Options {
		where := at.Index(i)
		if found := validateOption(where, o); len(found) > 0 {
			errs = append(errs, found...)
			continue
		}
		name, value, valued := strings.Cut(o, "=")
		if valued {
			name += "="
		}
		own := ownOptions[m.Type]
		other, general := opposites[name]
		switch {
		case (o == "rbind" || o == "bind") && m.Type != MountBind:
			errs = append(errs, field.Invalid(where, o, "only a bind has it"))
		case name == "size=":
			errs = append(errs, field.Invalid(where, o, "write it as size: "+value))
		case valued && m.Type == MountBind:
			errs = append(errs, field.Invalid(where, o, "a bind has no options of a file system"))
		case valued && value == "":
			errs = append(errs, field.Invalid(where, o, "has no value after the ="))
		case slices.Contains(own, name):
		case general && seen[other]:
			errs = append(errs, field.Invalid(where, o, "takes back "+other+", which is given too; keep one of them"))
		case general:
		default:
			errs = append(errs, oneOf(where, name, append(slices.Sorted(maps.Keys(opposites)), own...)...)...)
		}
		seen[name] = true
	}
	return errs
}

// validateOption wants one option an entry.
func validateOption(at *field.Path, o string) field.ErrorList {
	switch {
	case o == "":
		return field.ErrorList{field.Required(at, "an option")}
	case strings.ContainsAny(o, ", ") || strings.ContainsFunc(o, unprintable):
		return field.ErrorList{field.Invalid(at, o, "must be one option; write each as an entry of its own")}
	case len(o) > 255:
		return field.ErrorList{field.Invalid(at, o, "is longer than the 255 bytes that the kernel takes")}
	}
	return nil
}
