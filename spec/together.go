package spec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Manifest is a file that was read.
type Manifest struct {
	File      string
	Documents []Document
}

// Together says what is wrong with manifests that may be right each by itself, but not
// together: a name that is written in two files, an alias that is also another's name, a
// session that cannot have what it asks for of its chroot. Warnings are references that
// lead nowhere: not to these manifests, nor to the others that are known; no problem
// comes from those others.
func Together(all []Manifest, others References) (problems, warnings []Problem) {
	t := together{
		refs: References{Chroots: maps.Clone(others.Chroots), Profiles: maps.Clone(others.Profiles)},
		own:  map[string]*Chroot{}, broken: map[[2]string]bool{},
	}
	if t.refs.Chroots == nil {
		t.refs.Chroots = map[string]*Chroot{}
	}
	if t.refs.Profiles == nil {
		t.refs.Profiles = map[string]*Profile{}
	}
	t.gather(all)
	t.twice()
	t.each(t.aliases)
	t.each(t.references)
	return t.problems, t.warnings
}

// place is a document in its file.
type place struct {
	file string
	Document
}

// together is what is known of manifests that are read together.
type together struct {
	places []place
	// refs are all chroots and profiles that may be named, own the chroots that these
	// manifests hold.
	refs References
	own  map[string]*Chroot
	// broken are the names of what is there and cannot be used, by kind.
	broken             map[[2]string]bool
	problems, warnings []Problem
}

func (t *together) gather(all []Manifest) {
	for _, m := range all {
		for _, d := range m.Documents {
			switch o := d.Object.(type) {
			case nil:
				t.broken[[2]string{d.Kind, d.Name}] = true
				continue
			case *Chroot:
				t.refs.Chroots[o.Name], t.own[o.Name] = o, o
			case *Profile:
				t.refs.Profiles[o.Name] = o
			}
			t.places = append(t.places, place{m.File, d})
		}
	}
}

func (t *together) each(check func(place)) {
	for _, p := range t.places {
		check(p)
	}
}

// problem returns a problem of the field at a path.
func (p place) problem(path, format string, args ...any) Problem {
	line, column := p.Locate(path)
	return Problem{p.file, p.Index, line, column, path, fmt.Sprintf(format, args...)}
}

// twice reports names that are written in more than one file. Of those within one file
// the reader tells.
func (t *together) twice() {
	named := map[[2]string][]place{}
	for _, p := range t.places {
		key := [2]string{p.Kind, p.Name}
		named[key] = append(named[key], p)
	}
	for _, p := range t.places {
		var others []string
		for _, other := range named[[2]string{p.Kind, p.Name}] {
			if other.file != p.file {
				others = append(others, fmt.Sprintf("%s:%d", other.file, other.Line))
			}
		}
		if len(others) > 0 {
			t.problems = append(t.problems, p.problem("metadata.name", "%s %q is written more than once, also in %s; remove all but one", p.Kind, p.Name, strings.Join(others, " and in ")))
		}
	}
}

// aliases reports a chroot's alias that is another's name or alias.
func (t *together) aliases(p place) {
	chroot, is := p.Object.(*Chroot)
	if !is {
		return
	}
	for i, alias := range chroot.Spec.Aliases {
		for _, name := range slices.Sorted(maps.Keys(t.own)) {
			if name != chroot.Name && (name == alias || slices.Contains(t.own[name].Spec.Aliases, alias)) {
				t.problems = append(t.problems, p.problem(fmt.Sprintf("spec.aliases[%d]", i), "alias %q is also a name of chroot/%s; change one of them", alias, name))
				break
			}
		}
	}
}

// references reports what a document names and is not there, and what it cannot have.
func (t *together) references(p place) {
	switch o := p.Object.(type) {
	case *Chroot:
		if o.Spec.ProfileRef != nil {
			_, err := t.refs.profile(o.Spec.ProfileRef.Name)
			t.unresolved(p, err)
		}
	case *Session:
		_, err := Admit(o, t.refs, false)
		t.unresolved(p, err)
	}
}

// unresolved reports why a document's references cannot be followed, at the field that
// is to blame.
func (t *together) unresolved(p place, err error) {
	if conflict, is := errors.AsType[*ConflictError](err); is {
		found := p.problem(conflict.Path, "%s", conflict.Detail)
		if t.foreign(p) {
			t.warnings = append(t.warnings, found)
		} else {
			t.problems = append(t.problems, found)
		}
		return
	}
	missing, is := errors.AsType[*ReferenceError](err)
	if !is || t.broken[[2]string{missing.Kind, missing.Name}] {
		return // of that there is something to be said already
	}
	path := naming(p.Object, missing)
	if path == "" {
		return // it is said of the chroot
	}
	message := fmt.Sprintf("there is no %s %q among these manifests", strings.ToLower(missing.Kind), missing.Name)
	if missing.Suggestion != "" {
		message += fmt.Sprintf(", did you mean %q?", missing.Suggestion)
	} else {
		message += "; sessions wait until there is one"
	}
	if len(missing.Candidates) > 0 {
		message = missing.Error()
	}
	t.warnings = append(t.warnings, p.problem(path, "%s", message))
}

// foreign reports whether a session is grown from a chroot of others.
func (t *together) foreign(p place) bool {
	session, is := p.Object.(*Session)
	if !is || session.Spec.ChrootRef == nil {
		return false
	}
	chroot, there := t.refs.Chroot(session.Spec.ChrootRef.Name)
	return there && t.own[chroot.Name] != chroot
}

// naming returns the path of the field by which an object names what is missing; "" if
// it is another object that does.
func naming(o Object, missing *ReferenceError) string {
	names := func(r *Reference) bool { return r != nil && r.Name == missing.Name }
	switch o := o.(type) {
	case *Chroot:
		return "spec.profileRef.name"
	case *Session:
		switch {
		case missing.Kind == KindChroot:
			return "spec.chrootRef.name"
		case names(o.Spec.ProfileRef):
			return "spec.profileRef.name"
		case o.Spec.Chroot != nil && names(o.Spec.Chroot.ProfileRef):
			return "spec.chroot.profileRef.name"
		}
	}
	return ""
}
