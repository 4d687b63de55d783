// Package names has what schroot and Coppice call chroots and sessions, and how
// one becomes the other.
//
// schroot's names have capitals, dots, underscores and any length; those of
// Coppice's objects are DNS labels, since they are parts of paths, of cgroups'
// names and of devices' labels. A name that is both stays. Of any other a label
// is made that tells it from all others, always the same, so that nobody has to
// remember which is whose; the name itself is kept in an annotation, to be shown.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// Annotation holds an object's name in schroot's words, Original that of a
// session's chroot, and Selected the name that it was asked for by, which may be an
// alias.
const (
	Annotation = schrootconf.Domain + "name"
	Original   = schrootconf.Domain + "original-name"
	Selected   = schrootconf.Domain + "selected-name"
)

// Namespace is what a name is of.
type Namespace string

// The namespaces.
const (
	Chroot  Namespace = "chroot"
	Session Namespace = "session"
	Source  Namespace = "source"
)

// Name is one with its namespace.
type Name struct {
	Namespace Namespace
	Name      string
}

// String returns "namespace:name".
func (n Name) String() string { return string(n.Namespace) + ":" + n.Name }

// Parse reads a name, with a namespace or, without one, of the usual one. ok is
// false if there is no such namespace; its name is that of what was returned.
func Parse(text string, usual Namespace) (n Name, ok bool) {
	namespace, name, given := strings.Cut(text, ":")
	if !given {
		return Name{usual, text}, true
	}
	n = Name{Namespace(namespace), name}
	switch n.Namespace {
	case Chroot, Session, Source:
		return n, true
	case "":
		return Name{usual, name}, true
	}
	return n, false
}

// longest is the most bytes that schroot's name of a session may have: it was
// that of a file.
const longest = 255

// Valid reports whether schroot takes that name.
func Valid(name string) bool {
	return len(name) <= longest && schrootconf.ValidName(name)
}

// Label returns what Coppice calls the session of that name.
func Label(name string) string {
	if spec.ValidName(name) {
		return name
	}
	const digits, room = 10, 63
	sum := sha256.Sum256([]byte(name))
	stem := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, name)
	stem = strings.Trim(stem[:min(len(stem), room-1-digits)], "-")
	if stem == "" {
		stem = "session"
	}
	return stem + "-" + hex.EncodeToString(sum[:])[:digits]
}

// Compare orders names as schroot lists them.
func Compare(a, b Name) int { return strings.Compare(a.String(), b.String()) }
