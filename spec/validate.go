package spec

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate reports all that is wrong with an object to which Default was
// applied. The paths are those of the manifest.
func Validate(object Object) field.ErrorList {
	errs := validateName(field.NewPath("metadata", "name"), object.GetName())
	spec := field.NewPath("spec")
	switch o := object.(type) {
	case *Chroot:
		errs = append(errs, validateChroot(spec, o.Spec)...)
		for i, alias := range o.Spec.Aliases {
			errs = append(errs, validateName(spec.Child("aliases").Index(i), alias)...)
		}
	case *Profile:
		errs = append(errs, validateProfile(spec, o.Spec)...)
	case *Session:
		errs = append(errs, validateSession(spec, o.Spec)...)
	}
	return errs
}

// message returns an error's text without the field, which stands before it.
func message(e *field.Error) string {
	switch e.Type {
	case field.ErrorTypeRequired:
		return strings.TrimSuffix("required: "+e.Detail, ": ")
	case field.ErrorTypeForbidden:
		return e.Detail
	case field.ErrorTypeDuplicate:
		return fmt.Sprintf("%q is there twice", e.BadValue)
	case field.ErrorTypeNotSupported:
		return e.Detail
	default:
		return fmt.Sprintf("%v: %s", e.BadValue, e.Detail)
	}
}

func validateName(at *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "every object has a name")}
	}
	if len(validation.IsDNS1123Label(name)) > 0 {
		return field.ErrorList{field.Invalid(at, name, "must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most")}
	}
	return nil
}

// validatePath wants an absolute path without tricks.
func validatePath(at *field.Path, value string) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(at, "an absolute path")}
	case !path.IsAbs(value):
		return field.ErrorList{field.Invalid(at, value, "must be an absolute path: begin it with /")}
	case slices.Contains(strings.Split(value, "/"), ".."):
		return field.ErrorList{field.Invalid(at, value, `must not contain ".."`)}
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return field.ErrorList{field.Invalid(at, value, "must not contain control characters")}
	case len(value) > 4000:
		return field.ErrorList{field.Invalid(at, value[:20]+"…", "is longer than the kernel takes")}
	}
	return nil
}

// oneOf wants a value of a list.
func oneOf[T ~string](at *field.Path, value T, list ...T) field.ErrorList {
	if slices.Contains(list, value) {
		return nil
	}
	var names []string
	for _, l := range list {
		names = append(names, string(l))
	}
	e := field.NotSupported(at, value, list)
	e.Detail = fmt.Sprintf("unknown value %q, want %s", value, strings.Join(names, ", "))
	if best := Nearest(string(value), names); best != "" {
		e.Detail = fmt.Sprintf("unknown value %q, did you mean %q?", value, best)
	}
	return field.ErrorList{e}
}

func validateSession(at *field.Path, s SessionSpec) field.ErrorList {
	var errs field.ErrorList
	switch {
	case s.ChrootRef == nil && s.Chroot == nil:
		errs = append(errs, field.Required(at.Child("chrootRef"), "name a Chroot, or write one under chroot"))
	case s.ChrootRef != nil && s.Chroot != nil:
		errs = append(errs, field.Forbidden(at.Child("chroot"), "chrootRef names a chroot already; keep one of them"))
	case s.ChrootRef != nil:
		errs = append(errs, validateName(at.Child("chrootRef", "name"), s.ChrootRef.Name)...)
	default:
		errs = append(errs, validateChroot(at.Child("chroot"), *s.Chroot)...)
		if len(s.Chroot.Aliases) > 0 {
			errs = append(errs, field.Forbidden(at.Child("chroot", "aliases"), "a session's own chroot has no other names"))
		}
	}
	errs = append(errs, validateReference(at.Child("profileRef"), s.ProfileRef)...)
	if s.Profile != nil {
		errs = append(errs, validateProfile(at.Child("profile"), *s.Profile)...)
	}
	if s.Chroot != nil && s.Chroot.Source.Plain != nil && (s.ProfileRef != nil || s.Profile != nil) {
		errs = append(errs, field.Forbidden(at.Child("profile"), "a plain chroot is used as it is; use source directory for mounts, files and hooks"))
	}
	if s.TTL != nil && s.TTL.Duration <= 0 {
		errs = append(errs, field.Invalid(at.Child("ttl"), s.TTL.Duration.String(), "must be longer than nothing"))
	}
	if s.GracePeriod != nil && s.GracePeriod.Duration < 0 {
		errs = append(errs, field.Invalid(at.Child("gracePeriod"), s.GracePeriod.Duration.String(), "must not be negative"))
	}
	errs = append(errs, oneOf(at.Child("expose"), s.Expose, ExposeRoot, ExposeTree, ExposeNone)...)
	errs = append(errs, oneOf(at.Child("deletionPolicy"), s.DeletionPolicy, DeletionTerminate, DeletionWait)...)
	errs = append(errs, oneOf(at.Child("updateStrategy"), s.UpdateStrategy, UpdateOnDelete, UpdateRecreate)...)
	return append(errs, validateEnvironment(at.Child("environment"), s.Environment)...)
}

func validateReference(at *field.Path, r *Reference) field.ErrorList {
	if r == nil {
		return nil
	}
	return validateName(at.Child("name"), r.Name)
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func validateEnvironment(at *field.Path, e *Environment) field.ErrorList {
	if e == nil {
		return nil
	}
	var errs field.ErrorList
	if _, err := regexp.Compile(e.Filter); err != nil {
		errs = append(errs, field.Invalid(at.Child("filter"), e.Filter, "must be a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
	}
	for name, value := range e.Set {
		if !variable.MatchString(name) {
			errs = append(errs, field.Invalid(at.Child("set").Key(name), name, "must be a variable's name: letters, digits and _, no digit first"))
		}
		if strings.ContainsRune(value, 0) {
			errs = append(errs, field.Invalid(at.Child("set").Key(name), value, "must not contain a zero byte"))
		}
	}
	return errs
}
