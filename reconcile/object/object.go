package object

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Kind says what an object is; each has one driver that alone makes system
// calls for it.
type Kind string

// The kinds of object.
const (
	KindHome      Kind = "Home"
	KindImage     Kind = "Image"
	KindSnapshot  Kind = "Snapshot"
	KindVolume    Kind = "Volume"
	KindDisk      Kind = "Disk"
	KindTree      Kind = "Tree"
	KindStore     Kind = "Store"
	KindQuota     Kind = "Quota"
	KindUpper     Kind = "Upper"
	KindNamespace Kind = "Namespace"
	KindMount     Kind = "Mount"
	KindProcesses Kind = "Processes"
	KindView      Kind = "View"
	KindFile      Kind = "File"
	KindHook      Kind = "Hook"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		KindHome, KindImage, KindSnapshot, KindVolume, KindDisk, KindTree, KindStore, KindQuota, KindUpper,
		KindNamespace, KindMount, KindProcesses, KindView, KindFile, KindHook,
	}
}

// Spec is what an object is to be made with: one plain struct a kind.
type Spec interface {
	// Kind returns the kind of object this makes.
	Kind() Kind
	// Identity returns the spec with everything zeroed that can be changed
	// while the object is in use. Two specs with equal identities differ at
	// most by an Amend; unequal ones need the object made anew.
	Identity() Spec
}

// Object is one thing that is wanted.
type Object struct {
	ID
	Spec Spec
}

// Kind returns the kind of the object's spec.
func (o Object) Kind() Kind { return o.Spec.Kind() }

// Print tells what an object was made with: two short hashes of its spec, of
// the part that needs it made anew and of the whole. Where an object can carry
// a string, the print is part of its label.
type Print struct {
	Identity string `json:"identity,omitempty"`
	Whole    string `json:"whole,omitempty"`
}

// PrintOf returns the print of a spec.
func PrintOf(s Spec) Print { return Print{Identity: digest(s.Identity()), Whole: digest(s)} }

// String returns "identity.whole", 25 bytes, or "" for the zero print.
func (p Print) String() string {
	if p == (Print{}) {
		return ""
	}
	return p.Identity + "." + p.Whole
}

// ParsePrint reads what String wrote; anything else gives the zero print, which
// no spec has.
func ParsePrint(text string) Print {
	identity, whole, found := strings.Cut(text, ".")
	if !found || len(identity) != digestLen || len(whole) != digestLen {
		return Print{}
	}
	return Print{identity, whole}
}

const digestLen = 12

// digest hashes the JSON form of a spec, which is stable: struct fields are
// written in their order, map keys sorted.
func digest(s Spec) string {
	text, err := json.Marshal(s)
	if err != nil {
		// Specs are structs of strings, numbers and slices: this cannot fail
		// but by a mistake in this package.
		panic(fmt.Sprintf("hash %s spec: %v", s.Kind(), err))
	}
	sum := sha256.Sum256(append([]byte(s.Kind()+"\x00"), text...))
	return hex.EncodeToString(sum[:])[:digestLen]
}

type objectJSON struct {
	Owner   Owner           `json:"owner"`
	Address Address         `json:"address"`
	Kind    Kind            `json:"kind"`
	Spec    json.RawMessage `json:"spec"`
}

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(o.Spec)
	if err != nil {
		return nil, err
	}
	return json.Marshal(objectJSON{o.Owner, o.Address, o.Kind(), text})
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Object) UnmarshalJSON(data []byte) error {
	var raw objectJSON
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	parse, known := specs[raw.Kind]
	if !known {
		return fmt.Errorf("read object %s:%s: unknown kind %q", raw.Owner, raw.Address, raw.Kind)
	}
	s, err := parse(raw.Spec)
	if err != nil {
		return fmt.Errorf("read object %s:%s: %w", raw.Owner, raw.Address, err)
	}
	*o = Object{ID{raw.Owner, raw.Address}, s}
	return nil
}

var specs = map[Kind]func([]byte) (Spec, error){
	KindHome:      parse[Home],
	KindImage:     parse[Image],
	KindSnapshot:  parse[Snapshot],
	KindVolume:    parse[Volume],
	KindDisk:      parse[Disk],
	KindTree:      parse[Tree],
	KindStore:     parse[Store],
	KindQuota:     parse[Quota],
	KindUpper:     parse[Upper],
	KindNamespace: parse[Namespace],
	KindMount:     parse[Mount],
	KindProcesses: parse[Processes],
	KindView:      parse[View],
	KindFile:      parse[File],
	KindHook:      parse[Hook],
}

func parse[T Spec](data []byte) (Spec, error) {
	var s T
	err := json.Unmarshal(data, &s)
	return s, err
}
