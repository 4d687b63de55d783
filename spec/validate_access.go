package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateAccess(at *field.Path, a *Access) field.ErrorList {
	if a == nil {
		return nil
	}
	errs := validatePeople(at, a.Users, a.Groups, a.RootUsers, a.RootGroups)
	if s := a.Source; s != nil {
		errs = append(errs, validatePeople(at.Child("source"), s.Users, s.Groups, s.RootUsers, s.RootGroups)...)
	}
	return errs
}

func validatePeople(at *field.Path, users, groups, rootUsers, rootGroups []string) field.ErrorList {
	var errs field.ErrorList
	for _, list := range []struct {
		name  string
		names []string
	}{{"users", users}, {"groups", groups}, {"rootUsers", rootUsers}, {"rootGroups", rootGroups}} {
		for i, name := range list.names {
			errs = append(errs, validatePerson(at.Child(list.name).Index(i), name)...)
		}
	}
	return errs
}

// person is what a user or group may be called; the signs left out have a meaning
// in passwd(5), or to those who list names.
var person = pattern(`^[^-:,/\s\x00-\x1f\x7f][^:,/\s\x00-\x1f\x7f]*$`)

func validatePerson(at *field.Path, name string) field.ErrorList {
	switch {
	case name == "":
		return field.ErrorList{field.Required(at, "the name of a user or group")}
	case !person().MatchString(name):
		return field.ErrorList{field.Invalid(at, fmt.Sprintf("%q", shown(name)), "must be the name of one user or group; write each as an entry of its own")}
	}
	return nil
}

// maxFilter bounds the work of compiling a regular expression.
const maxFilter = 4096

var variable = pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)

func validateEnvironment(at *field.Path, e *Environment) field.ErrorList {
	if e == nil {
		return nil
	}
	var errs field.ErrorList
	if len(e.Filter) > maxFilter {
		return append(errs, field.Invalid(at.Child("filter"), e.Filter, "is too long for a regular expression"))
	}
	if _, err := regexp.Compile(e.Filter); err != nil {
		errs = append(errs, field.Invalid(at.Child("filter"), e.Filter, "must be a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
	}
	return append(errs, validateVariables(at.Child("set"), e.Set)...)
}

func validateVariables(at *field.Path, variables map[string]string) field.ErrorList {
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value := variables[name]
		errs = append(errs, validateVariableName(at.Key(name), name)...)
		if strings.ContainsRune(value, 0) {
			errs = append(errs, field.Invalid(at.Key(name), fmt.Sprintf("%q", shown(value)), "must not contain a zero byte"))
		}
	}
	return errs
}

// validateHandedOn checks a list of variables that people may set for hooks, which run
// as root.
func validateHandedOn(at *field.Path, names []string) field.ErrorList {
	errs := duplicates(at, names)
	for i, name := range names {
		errs = append(errs, validateVariableName(at.Index(i), name)...)
		if obeyed().MatchString(name) {
			errs = append(errs, field.Invalid(at.Index(i), name, "whoever sets it decides what hooks run as root, or what they take for said by coppiced; choose another name"))
		}
	}
	return errs
}

// obeyed are variables that shells, interpreters and the loader obey whatever a program
// does, and those by which hooks are told what they work on.
var obeyed = pattern(`^(PATH|IFS|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|CDPATH|GLOBIGNORE|PS4|PROMPT_COMMAND|PYTHON.*|PERL.*|RUBY.*|LD_.*|GCONV_PATH|NLSPATH|LOCPATH|HOME|SHELL|TMPDIR|COPPICE_.*|AUTH_.*|CHROOT_PATH|CHROOT_MOUNT_LOCATION|MOUNT_DIR|SYSCONF_DIR|SETUP_DATA_DIR|DATA_DIR)$`)

func validateVariableName(at *field.Path, name string) field.ErrorList {
	if variable().MatchString(name) {
		return nil
	}
	return field.ErrorList{field.Invalid(at, name, "must be a variable's name: letters, digits and _, no digit first")}
}
