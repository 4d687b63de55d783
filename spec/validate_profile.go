package spec

import (
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

var mountTypes = []MountType{MountProc, MountSysfs, MountDev, MountDevpts, MountShm, MountTmpfs, MountBind}

// databases are those that getent(1) can list and /etc can hold; of ethers and
// netgroup it only looks up single entries.
var databases = []string{
	"aliases", "group", "gshadow", "hosts", "networks", "passwd", "protocols", "rpc", "services", "shadow",
}

func validateProfile(at *field.Path, p ProfileSpec) field.ErrorList {
	errs := atMost(at.Child("mounts"), len(p.Mounts), maxMounts)
	errs = append(errs, atMost(at.Child("hooks"), len(p.Hooks), maxHooks)...)
	targets := map[string]bool{}
	for i, m := range p.Mounts {
		where := at.Child("mounts").Index(i)
		errs = append(errs, validateMount(where, m)...)
		target := path.Clean(m.Target)
		if m.Target != "" && targets[target] {
			errs = append(errs, field.Duplicate(where.Child("target"), m.Target))
		}
		targets[target] = true
	}
	for i, f := range p.CopyFiles {
		where := at.Child("copyFiles").Index(i)
		errs = append(errs, validatePath(where, f)...)
		if strings.HasSuffix(f, "/") {
			errs = append(errs, field.Invalid(where, f, "must be a file; use a bind mount for a folder"))
		}
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
		if names[h.Name] && h.Name != "" {
			errs = append(errs, field.Duplicate(where.Child("name"), h.Name))
		}
		names[h.Name] = true
	}
	return errs
}

// duplicates reports what a list holds twice. Paths that differ by a slash at the
// end are the same.
func duplicates(at *field.Path, list []string) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, entry := range list {
		key := strings.TrimSuffix(entry, "/")
		if seen[key] {
			errs = append(errs, field.Duplicate(at.Index(i), entry))
		}
		seen[key] = true
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
	default:
		errs = append(errs, validateSize(at.Child("size"), *m.Size, 1<<12, "is less than a page; write for example 64Mi")...)
	}
	if m.Optional && m.Type != MountBind {
		errs = append(errs, field.Forbidden(at.Child("optional"), "only a bind can be left out"))
	}
	return append(errs, validateOptions(at.Child("options"), m)...)
}

func validateHook(at *field.Path, h Hook) field.ErrorList {
	errs := validateName(at.Child("name"), h.Name)
	errs = append(errs, oneOf(at.Child("phase"), h.Phase, HookSetup, HookRecover, HookStop)...)
	errs = append(errs, oneOf(at.Child("place"), h.Place, HookOnHost, HookInSession)...)
	if h.Interface != "" {
		errs = append(errs, oneOf(at.Child("interface"), h.Interface, InterfaceCoppice, InterfaceSchroot)...)
	}
	if h.Interface == InterfaceSchroot && h.File == "" {
		errs = append(errs, field.Forbidden(at.Child("interface"), "only a file is run as schroot runs its scripts; use file"))
	}
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
		errs = append(errs, field.Invalid(at.Child("timeout"), h.Timeout.Duration, "must be longer than nothing"))
	}
	return errs
}

// validateCommand wants an absolute program: what PATH a daemon has is nobody's
// business.
func validateCommand(at *field.Path, command []string) field.ErrorList {
	errs := validatePath(at.Index(0), command[0])
	for i, word := range command[1:] {
		errs = append(errs, validateWord(at.Index(i+1), word)...)
	}
	return errs
}

// validateWord wants what can be an argument of a program.
func validateWord(at *field.Path, word string) field.ErrorList {
	if strings.ContainsRune(word, 0) {
		return field.ErrorList{field.Invalid(at, fmt.Sprintf("%q", shown(word)), "must not contain a zero byte")}
	}
	return nil
}
