package spec

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate reports all that is wrong with an object, as it is with its defaults
// filled in. It does not change it. The paths are those of the manifest.
func Validate(object Object) field.ErrorList {
	object = copyOf(object)
	Default(object)
	return validate(object)
}

// validate wants an object to which Default was applied.
func validate(object Object) field.ErrorList {
	errs := validateMetadata(field.NewPath("metadata"), object)
	spec := field.NewPath("spec")
	switch o := object.(type) {
	case *Chroot:
		errs = append(errs, validateChroot(spec, o.Spec)...)
		errs = append(errs, validateAliases(spec.Child("aliases"), o.Name, o.Spec.Aliases)...)
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
		return fmt.Sprintf("%s: %s", shown(fmt.Sprint(e.BadValue)), e.Detail)
	}
}

func validateMetadata(at *field.Path, object Object) field.ErrorList {
	errs := validateName(at.Child("name"), object.GetName())
	if object.GetNamespace() != "" {
		errs = append(errs, field.Forbidden(at.Child("namespace"), "there are no namespaces here; remove it, and give each object a name of its own"))
	}
	for _, name := range slices.Sorted(maps.Keys(object.GetLabels())) {
		where := at.Child("labels").Key(name)
		errs = append(errs, validateKey(where, name)...)
		if value := object.GetLabels()[name]; len(validation.IsValidLabelValue(value)) > 0 {
			errs = append(errs, field.Invalid(where, value, "must be letters, digits, dashes, dots and underscores, with a letter or digit first and last, 63 at most"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object.GetAnnotations())) {
		errs = append(errs, validateKey(at.Child("annotations").Key(name), strings.ToLower(name))...)
	}
	return errs
}

func validateKey(at *field.Path, key string) field.ErrorList {
	if len(validation.IsQualifiedName(key)) > 0 {
		return field.ErrorList{field.Invalid(at, key, "must be a name such as suite or example.org/suite")}
	}
	return nil
}

// ValidName reports whether an object may have that name. One that may is a
// single part of a path.
func ValidName(name string) bool { return len(validateName(field.NewPath("name"), name)) == 0 }

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
	case strings.ContainsFunc(value, unprintable):
		return field.ErrorList{field.Invalid(at, fmt.Sprintf("%q", shown(value)), "must not contain control characters")}
	case len(value) > 4000:
		return field.ErrorList{field.Invalid(at, value, "is longer than the kernel takes")}
	case path.Clean(value) != strings.TrimSuffix(value, "/") && value != "/":
		return field.ErrorList{field.Invalid(at, value, "write it as "+path.Clean(value))}
	}
	return nil
}

// The most entries that lists may have: more than anybody needs, and few enough for
// every one of them to be compared with the others at any time.
const (
	maxAliases = 64
	maxOptions = 64
	maxMounts  = 256
	maxHooks   = 64
)

// atMost wants a list of so many entries.
func atMost(at *field.Path, length, most int) field.ErrorList {
	if length <= most {
		return nil
	}
	e := field.Invalid(at, length, fmt.Sprintf("more than %d entries", most))
	e.BadValue = fmt.Sprintf("%d entries", length)
	return field.ErrorList{e}
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f }

// validateLine wants text of one line.
func validateLine(at *field.Path, value string) field.ErrorList {
	if strings.ContainsFunc(value, unprintable) {
		return field.ErrorList{field.Invalid(at, fmt.Sprintf("%q", shown(value)), "must be one line, without control characters")}
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
	e.Detail = fmt.Sprintf("unknown value %q", shown(string(value))) +
		didYouMean(string(value), names, ", want "+strings.Join(names, ", "))
	if value == "" {
		e = field.Required(at, "one of "+strings.Join(names, ", "))
	}
	return field.ErrorList{e}
}

// alias is what a chroot may be called besides its name: what other programs that
// have chroots take for a name. It is never a part of a path.
var alias = pattern(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func validateAlias(at *field.Path, name string) field.ErrorList {
	switch {
	case name == "":
		return field.ErrorList{field.Required(at, "a name")}
	case !alias().MatchString(name):
		return field.ErrorList{field.Invalid(at, name, "must be letters, digits, dots, dashes and underscores, with a letter or digit first, 128 at most")}
	}
	return nil
}

func validateReference(at *field.Path, r *Reference) field.ErrorList {
	return validateReferenceTo(at, r, validateName)
}

// validateReferenceTo wants a reference whose name is as valid says.
func validateReferenceTo(at *field.Path, r *Reference, valid func(*field.Path, string) field.ErrorList) field.ErrorList {
	if r == nil {
		return nil
	}
	if r.Name == "" {
		return field.ErrorList{field.Required(at.Child("name"), "the name of what is meant")}
	}
	return valid(at.Child("name"), r.Name)
}
