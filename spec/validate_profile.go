package spec

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

var mountTypes = []MountType{MountProc, MountSysfs, MountDev, MountDevpts, MountShm, MountTmpfs, MountBind}

// flagOptions are the options that any mount may have; others have a value, as
// in mode=1777, and go to the file system.
var flagOptions = []string{
	"ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime", "nodiratime", "diratime",
	"relatime", "nosymfollow", "symfollow", "bind", "rbind", "newinstance",
}

// databases are those that getent(1) can list and /etc can hold.
var databases = []string{
	"aliases", "ethers", "group", "gshadow", "hosts", "netgroup", "networks", "passwd", "protocols", "rpc", "services", "shadow",
}

func validateProfile(at *field.Path, p ProfileSpec) field.ErrorList {
	var errs field.ErrorList
	targets := map[string]bool{}
	for i, m := range p.Mounts {
		where := at.Child("mounts").Index(i)
		errs = append(errs, validateMount(where, m)...)
		if target := path.Clean(m.Target); m.Target != "" && targets[target] {
			errs = append(errs, field.Duplicate(where.Child("target"), m.Target))
		} else {
			targets[target] = true
		}
	}
	for i, f := range p.CopyFiles {
		errs = append(errs, validatePath(at.Child("copyFiles").Index(i), f)...)
	}
	for i, n := range p.NSSDatabases {
		errs = append(errs, oneOf(at.Child("nssDatabases").Index(i), n, databases...)...)
	}
	errs = append(errs, duplicates(at.Child("copyFiles"), p.CopyFiles)...)
	errs = append(errs, duplicates(at.Child("nssDatabases"), p.NSSDatabases)...)
	names := map[string]bool{}
	for i, h := range p.Hooks {
		where := at.Child("hooks").Index(i)
		errs = append(errs, validateHook(where, h)...)
		if names[h.Name] {
			errs = append(errs, field.Duplicate(where.Child("name"), h.Name))
		}
		names[h.Name] = true
	}
	return errs
}

func duplicates(at *field.Path, list []string) field.ErrorList {
	var errs field.ErrorList
	for i, entry := range list {
		if slices.Contains(list[:i], entry) {
			errs = append(errs, field.Duplicate(at.Index(i), entry))
		}
	}
	return errs
}

func validateMount(at *field.Path, m Mount) field.ErrorList {
	errs := oneOf(at.Child("type"), m.Type, mountTypes...)
	if len(errs) > 0 {
		return errs
	}
	if m.Type == MountBind {
		errs = append(errs, validatePath(at.Child("source"), m.Source)...)
	} else if m.Source != "" {
		errs = append(errs, field.Forbidden(at.Child("source"), "only a bind has a source"))
	}
	if found := validatePath(at.Child("target"), m.Target); len(found) > 0 {
		errs = append(errs, found...)
	} else if path.Clean(m.Target) == "/" {
		errs = append(errs, field.Invalid(at.Child("target"), m.Target, "must not be the root itself"))
	}
	sized := m.Type == MountTmpfs || m.Type == MountShm || m.Type == MountDev
	switch {
	case m.Size == nil:
	case !sized:
		errs = append(errs, field.Forbidden(at.Child("size"), "only tmpfs, shm and dev have a size"))
	case m.Size.Value() < 1<<12:
		errs = append(errs, field.Invalid(at.Child("size"), m.Size.String(), "is less than a page; write for example 64Mi"))
	}
	if m.Optional && m.Type != MountBind {
		errs = append(errs, field.Forbidden(at.Child("optional"), "only a bind can be left out"))
	}
	for i, o := range m.Options {
		where := at.Child("options").Index(i)
		errs = append(errs, validateOption(where, o)...)
		switch {
		case (o == "rbind" || o == "bind") && m.Type != MountBind:
			errs = append(errs, field.Invalid(where, o, "only a bind has it"))
		case strings.HasPrefix(o, "size="):
			errs = append(errs, field.Invalid(where, o, "write it as size: "+strings.TrimPrefix(o, "size=")))
		case !strings.Contains(o, "=") && !slices.Contains(flagOptions, o):
			errs = append(errs, oneOf(where, o, flagOptions...)...)
		case strings.Contains(o, "=") && m.Type == MountBind:
			errs = append(errs, field.Invalid(where, o, "a bind has no options of a file system"))
		}
	}
	return errs
}

// validateOption wants one option an entry.
func validateOption(at *field.Path, o string) field.ErrorList {
	switch {
	case o == "":
		return field.ErrorList{field.Required(at, "an option")}
	case strings.ContainsAny(o, ", \t\n"):
		return field.ErrorList{field.Invalid(at, o, "must be one option; write each as an entry of its own")}
	case len(o) > 255:
		return field.ErrorList{field.Invalid(at, o[:20]+"…", "is longer than the 255 bytes that the kernel takes")}
	}
	return nil
}

func validateHook(at *field.Path, h Hook) field.ErrorList {
	errs := validateName(at.Child("name"), h.Name)
	errs = append(errs, oneOf(at.Child("phase"), h.Phase, HookSetup, HookRecover, HookStop)...)
	errs = append(errs, oneOf(at.Child("place"), h.Place, HookOnHost, HookInSession)...)
	switch {
	case len(h.Command) == 0 && h.File == "":
		errs = append(errs, field.Required(at.Child("command"), "a program and its arguments, or file"))
	case len(h.Command) > 0 && h.File != "":
		errs = append(errs, field.Forbidden(at.Child("file"), "command is given already; keep one of them"))
	case h.File != "":
		errs = append(errs, validatePath(at.Child("file"), h.File)...)
		if h.Place == HookInSession {
			errs = append(errs, field.Forbidden(at.Child("file"), "a file of the host cannot run inside; use command"))
		}
	default:
		errs = append(errs, validateCommand(at.Child("command"), h.Command)...)
	}
	if len(h.Undo) > 0 {
		errs = append(errs, validateCommand(at.Child("undo"), h.Undo)...)
		if h.Phase != HookSetup {
			errs = append(errs, field.Forbidden(at.Child("undo"), "only a setup hook is undone"))
		} else if h.File != "" {
			errs = append(errs, field.Forbidden(at.Child("undo"), "a file is undone by itself, with the argument stop"))
		}
	}
	if h.Timeout != nil && h.Timeout.Duration <= 0 {
		errs = append(errs, field.Invalid(at.Child("timeout"), h.Timeout.Duration.String(), "must be longer than nothing"))
	}
	return errs
}

// validateCommand wants an absolute program: what PATH a daemon has is nobody's
// business.
func validateCommand(at *field.Path, command []string) field.ErrorList {
	errs := validatePath(at.Index(0), command[0])
	for i, word := range command {
		if strings.ContainsRune(word, 0) {
			errs = append(errs, field.Invalid(at.Index(i), word, "must not contain a zero byte"))
		}
	}
	return errs
}
