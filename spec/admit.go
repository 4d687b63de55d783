package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// References are the chroots and profiles that sessions may name, defaulted and
// valid.
type References struct {
	Chroots  map[string]*Chroot
	Profiles map[string]*Profile
}

// ReferenceError is a name that leads nowhere, or to more than one place.
type ReferenceError struct {
	Kind, Name string
	// Suggestion is the name that was most likely meant; empty if none is near.
	Suggestion string
	// Candidates are the objects that an ambiguous name may mean.
	Candidates []string
}

func (e *ReferenceError) Error() string {
	detail := "there is none of that name; add its manifest"
	switch {
	case len(e.Candidates) > 0:
		detail = "it is an alias of " + strings.Join(e.Candidates, " and of ") + "; name one of them"
	case e.Suggestion != "":
		detail = fmt.Sprintf("there is none of that name, did you mean %q?", e.Suggestion)
	}
	return fmt.Sprintf("%s %q: %s", strings.ToLower(e.Kind), e.Name, detail)
}

// ConflictError is a session whose own part does not go with what it names.
type ConflictError struct {
	// Path is the field of the session's manifest.
	Path string
	// Detail says what is wrong and what to do.
	Detail string
}

func (e *ConflictError) Error() string { return e.Path + ": " + e.Detail }

// DefaultProfile is what sessions get whose chroot names no profile. It shows
// nothing of the host's files.
const DefaultProfile = "minimal"

// Admit resolves a session's references. ephemeral says that its manifest does
// not survive a reboot.
func Admit(s *Session, refs References, ephemeral bool) (Admitted, error) {
	s = s.DeepCopy()
	Default(s)
	a := Admitted{Name: s.Name, Ephemeral: ephemeral, Owner: s.Owner(), OwnerName: s.OwnerName(), Session: s.Spec}
	switch {
	case s.Spec.Chroot != nil:
		a.Chroot = *s.Spec.Chroot
	case s.Spec.ChrootRef == nil:
		return Admitted{}, &ConflictError{"spec.chrootRef", noChroot}
	default:
		c, err := refs.chroot(s.Spec.ChrootRef.Name)
		if err != nil {
			return Admitted{}, err
		}
		a.ChrootName, a.Chroot = c.Name, c.DeepCopy().Spec
		defaultChroot(&a.Chroot)
	}
	a.Chroot.Description, a.Chroot.Aliases = "", nil // not what a session is made of
	if s.Spec.OpenSource {
		if why := CannotOpen(a.Chroot); why != "" {
			return Admitted{}, &ConflictError{"spec.openSource", why}
		}
		a.Chroot = a.Chroot.opened()
	}
	if u := a.Chroot.Union; u.Type == UnionOverlay && u.Volatile == nil {
		u.Volatile = &ephemeral
	}
	if a.Chroot.Source.Plain != nil {
		if err := plain(s.Spec); err != nil {
			return Admitted{}, err
		}
		return a, nil
	}
	a.ProfileName = cmp.Or(nameOf(s.Spec.ProfileRef), nameOf(a.Chroot.ProfileRef), DefaultProfile)
	p, err := refs.profile(a.ProfileName)
	if err != nil {
		return Admitted{}, err
	}
	a.Profile = p.DeepCopy().Spec
	defaultProfile(&a.Profile)
	return a, nil
}

// plain refuses what a plain chroot would silently leave out.
func plain(s SessionSpec) error {
	switch {
	case s.ProfileRef != nil:
		return &ConflictError{"spec.profileRef", plainHint}
	case s.Profile != nil:
		return &ConflictError{"spec.profile", plainHint}
	case len(s.HookEnvironment) > 0:
		return &ConflictError{"spec.hookEnvironment", plainHint}
	}
	return nil
}

func nameOf(r *Reference) string {
	if r == nil {
		return ""
	}
	return r.Name
}

// chroot finds a chroot by its name, else by an alias.
func (r References) chroot(name string) (*Chroot, error) {
	if c, found := r.Chroots[name]; found {
		return c, nil
	}
	var having, known []string
	for _, c := range slices.Sorted(maps.Keys(r.Chroots)) {
		known = append(known, c)
		for _, alias := range r.Chroots[c].Spec.Aliases {
			known = append(known, alias)
			if alias == name {
				having = append(having, c)
			}
		}
	}
	switch len(having) {
	case 0:
		return nil, notFound(KindChroot, name, known)
	case 1:
		return r.Chroots[having[0]], nil
	default:
		return nil, &ReferenceError{Kind: KindChroot, Name: name, Candidates: having}
	}
}

// profile finds a profile, a built-in one if nobody wrote another.
func (r References) profile(name string) (*Profile, error) {
	if p, found := r.Profiles[name]; found {
		return p, nil
	}
	known := slices.Collect(maps.Keys(r.Profiles))
	for _, p := range builtin() {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	slices.Sort(known)
	return nil, notFound(KindProfile, name, known)
}

func notFound(kind, name string, known []string) error {
	return &ReferenceError{Kind: kind, Name: name, Suggestion: Nearest(name, known)}
}

// Chroot returns the chroot of that name or alias.
func (r References) Chroot(name string) (*Chroot, bool) {
	c, err := r.chroot(name)
	return c, err == nil
}
