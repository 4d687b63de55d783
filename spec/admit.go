package spec

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
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
	// Detail says more: what is near, or what it might mean.
	Detail string
}

func (e *ReferenceError) Error() string {
	return fmt.Sprintf("%s %q: %s", strings.ToLower(e.Kind), e.Name, e.Detail)
}

// DefaultProfile is what sessions get whose chroot names no profile. It shows
// nothing of the host's files.
const DefaultProfile = "minimal"

// Admit resolves a session's references. ephemeral says that its manifest does
// not survive a reboot.
func Admit(s *Session, refs References, ephemeral bool) (Admitted, error) {
	s = s.DeepCopy()
	Default(s)
	a := Admitted{Name: s.Name, Ephemeral: ephemeral, Session: s.Spec}
	if s.Spec.Chroot != nil {
		a.Chroot = *s.Spec.Chroot
	} else {
		c, err := refs.chroot(s.Spec.ChrootRef.Name)
		if err != nil {
			return Admitted{}, err
		}
		a.ChrootName, a.Chroot = c.Name, c.DeepCopy().Spec
		defaultChroot(&a.Chroot)
	}
	a.Chroot.Description, a.Chroot.Aliases = "", nil // not what a session is made of
	if u := a.Chroot.Union; u.Type == UnionOverlay && u.Volatile == nil {
		u.Volatile = &ephemeral
	}
	if a.Chroot.Source.Plain != nil {
		return a, nil
	}
	a.ProfileName = cmp.Or(nameOf(s.Spec.ProfileRef), nameOf(a.Chroot.ProfileRef), DefaultProfile)
	p, found := refs.Profiles[a.ProfileName]
	if !found {
		return Admitted{}, notFound(KindProfile, a.ProfileName, slices.Sorted(maps.Keys(refs.Profiles)))
	}
	a.Profile = p.DeepCopy().Spec
	defaultProfile(&a.Profile)
	return a, nil
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
		return nil, &ReferenceError{KindChroot, name, "it is an alias of " + strings.Join(having, " and of ") + "; name one of them"}
	}
}

func notFound(kind, name string, known []string) error {
	detail := "there is none of that name; add its manifest"
	if best := Nearest(name, known); best != "" {
		detail = fmt.Sprintf("there is none of that name, did you mean %q?", best)
	}
	return &ReferenceError{kind, name, detail}
}

// EffectiveProfile is the profile with the session's own additions.
func (a Admitted) EffectiveProfile() ProfileSpec { return merged(a.Profile, a.Session.Profile) }

// WithSession returns what was admitted with the session's own part as it is
// now: chroot and profile stay, so that editing them changes no running session.
func (a Admitted) WithSession(s *Session) Admitted {
	s = s.DeepCopy()
	Default(s)
	was := a.Session
	a.Session = s.Spec
	// What it is grown from is the chroot that was admitted.
	a.Session.ChrootRef, a.Session.Chroot, a.Session.ProfileRef = was.ChrootRef, was.Chroot, was.ProfileRef
	return a
}

// NeedsRecreate names what differs between a running session and what its
// manifests now say that a running session cannot take.
func NeedsRecreate(running, wanted Admitted) []string {
	var fields []string
	if running.ChrootName != wanted.ChrootName {
		fields = append(fields, "spec.chrootRef.name")
	}
	at := "spec.chroot."
	if wanted.ChrootName != "" {
		at = "chroot " + wanted.ChrootName + ": spec."
	}
	if !same(running.Chroot.Source, wanted.Chroot.Source) {
		fields = append(fields, at+"source")
	}
	if !same(running.Chroot.Union, wanted.Chroot.Union) {
		fields = append(fields, at+"union")
	}
	switch {
	case running.ProfileName != wanted.ProfileName:
		fields = append(fields, "profile "+wanted.ProfileName)
	case !same(running.Profile, wanted.Profile):
		fields = append(fields, "profile "+wanted.ProfileName+": spec")
	}
	return fields
}

// same compares two values by what they are written as: 1Gi is 1024Mi.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	first, err := json.Marshal(a)
	if err != nil {
		return false
	}
	second, err := json.Marshal(b)
	return err == nil && string(first) == string(second)
}

// Hash tells one spec of an object from another.
func Hash(object Object) string {
	var spec any
	switch o := object.(type) {
	case *Chroot:
		spec = o.Spec
	case *Profile:
		spec = o.Spec
	case *Session:
		spec = o.Spec
	}
	text, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("hash %s %s: %v", object.GetKind(), object.GetName(), err)) // plain structs; cannot fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
