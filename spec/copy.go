package spec

import (
	"encoding/json"
	"fmt"
)

// DeepCopy returns a chroot that shares nothing with this one.
func (c *Chroot) DeepCopy() *Chroot { return deepCopy(c) }

// DeepCopy returns a profile that shares nothing with this one.
func (p *Profile) DeepCopy() *Profile { return deepCopy(p) }

// DeepCopy returns a session that shares nothing with this one.
func (s *Session) DeepCopy() *Session { return deepCopy(s) }

// copyOf returns an object that shares nothing with this one.
func copyOf(object Object) Object {
	switch o := object.(type) {
	case *Chroot:
		return o.DeepCopy()
	case *Profile:
		return o.DeepCopy()
	case *Session:
		return o.DeepCopy()
	}
	panic(fmt.Sprintf("unknown object %T", object)) // the kinds are these three
}

// deepCopy goes through the JSON form, which is all that a manifest can say.
func deepCopy[T any](from *T) *T {
	text, err := json.Marshal(from)
	if err == nil {
		to := new(T)
		if err = json.Unmarshal(text, to); err == nil {
			return to
		}
	}
	panic(fmt.Sprintf("copy %T: %v", from, err)) // plain structs; cannot fail
}
