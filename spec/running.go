package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
)

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
	a.Session.OpenSource = was.OpenSource
	// What its hooks did, they did by what they were told.
	a.Session.HookEnvironment = was.HookEnvironment
	return a
}

// Resized returns what was admitted with as much room for the session's own layer as its
// manifests now give it: a layer on disk grows while it is used, and where it can, it
// shrinks.
func (a Admitted) Resized(wanted Admitted, shrinks bool) Admitted {
	was, now := sizeOf(a.Chroot), sizeOf(wanted.Chroot)
	if a.ChrootName != wanted.ChrootName || was == nil || now == nil || now.Cmp(*was) <= 0 && !shrinks {
		return a
	}
	union, upper, size := *a.Chroot.Union, *a.Chroot.Union.Upper, now.DeepCopy()
	upper.Size = &size
	union.Upper = &upper
	a.Chroot.Union = &union
	return a
}

// sizeOf returns the limit of an upper on disk; nil if it has none.
func sizeOf(c ChrootSpec) *resource.Quantity {
	if c.Union == nil || c.Union.Upper == nil || c.Union.Upper.Medium != MediumDisk {
		return nil
	}
	return c.Union.Upper.Size
}

// NeedsRecreate names the fields that differ between a running session and what
// its manifests now say, and that a running session cannot take. What is written
// in the session itself can be changed in place, but for what it is grown from.
// What a chroot says about commands (access, personality, shell, prefix,
// environment, isolation, limits) is not looked at: it is no reason to end a
// session.
func NeedsRecreate(running, wanted Admitted) []string {
	if running.ChrootName != wanted.ChrootName {
		if wanted.ChrootName == "" {
			return []string{"spec.chroot"}
		}
		return []string{"spec.chrootRef.name"}
	}
	if running.Session.OpenSource != wanted.Session.OpenSource {
		return []string{"spec.openSource"}
	}
	if !maps.Equal(running.Session.HookEnvironment, wanted.Session.HookEnvironment) {
		return differences("spec.hookEnvironment", tree(running.Session.HookEnvironment), tree(wanted.Session.HookEnvironment))
	}
	at := "spec.chroot."
	if wanted.ChrootName != "" {
		at = "chroot " + wanted.ChrootName + ": spec."
	}
	fields := differences(at+"source", tree(running.Chroot.Source), tree(wanted.Chroot.Source))
	fields = append(fields, differences(at+"union", tree(running.Chroot.Union), tree(wanted.Chroot.Union))...)
	if running.ProfileName == wanted.ProfileName {
		return append(fields, differences("profile "+wanted.ProfileName+": spec", tree(running.Profile), tree(wanted.Profile))...)
	}
	if nameOf(running.Session.ProfileRef) != nameOf(wanted.Session.ProfileRef) {
		return append(fields, "spec.profileRef.name")
	}
	return append(fields, at+"profileRef.name")
}

// tree returns a value as what it is written as: 1Gi is 1024Mi.
func tree(value any) any {
	text, err := json.Marshal(value)
	if err == nil {
		var t any
		if err = json.Unmarshal(text, &t); err == nil {
			return t
		}
	}
	panic(fmt.Sprintf("compare %T: %v", value, err)) // plain structs; cannot fail
}

// differences returns the paths of the fields that differ, sorted. Of a list
// whose length differs, and of what one of the two does not have, it is the path
// of the whole.
func differences(path string, a, b any) []string {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	var fields []string
	switch a := a.(type) {
	case map[string]any:
		b, same := b.(map[string]any)
		if !same {
			break
		}
		both := maps.Clone(a)
		maps.Copy(both, b)
		for _, name := range slices.Sorted(maps.Keys(both)) {
			fields = append(fields, differences(path+"."+name, a[name], b[name])...)
		}
		return fields
	case []any:
		b, same := b.([]any)
		if !same || len(a) != len(b) {
			break
		}
		for i := range a {
			fields = append(fields, differences(fmt.Sprintf("%s[%d]", path, i), a[i], b[i])...)
		}
		return fields
	}
	return []string{path}
}
