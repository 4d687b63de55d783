package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Hash tells one spec of an object from another. It is the same whether defaults
// were filled in or not, and says nothing about metadata.
func Hash(object Object) string {
	object = copyOf(object)
	Default(object)
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
