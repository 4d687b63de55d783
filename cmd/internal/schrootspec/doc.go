// Package schrootspec turns the configuration of schroot into manifests, and
// chroots of Coppice's into sections of schroot.conf.
//
// Nothing is dropped in silence. What has a counterpart becomes a field; what has
// none becomes a Note, which is written as a comment above the manifest, and what
// the schroot command can make use of is kept in an annotation besides, named
// after its key. An object that this version of Coppice does not take is written
// as a comment as a whole, with the reason.
//
// Everything here is a plain function of its arguments: schrootconf reads, and
// the commands write.
package schrootspec

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// Annotations begins the names of annotations that hold schroot's keys, as
// written: schroot.coppice.dev/message-verbosity.
const Annotations = schrootconf.Domain

// Name is the annotation with what schroot calls a chroot, where that is no name
// for an object.
const Name = Annotations + "name"

// Document is an object, and what there is to say about it.
type Document struct {
	Object spec.Object
	// From is what it was made from.
	From  schrootconf.Position
	About string
	Notes []Note
	// Refused says why the object cannot be used; empty if it can.
	Refused []string
}

// Note is something of schroot's that the object does not have, or has otherwise.
type Note struct {
	At   schrootconf.Position
	Text string
}

// String returns "file:line: text".
func (n Note) String() string { return n.At.String() + ": " + n.Text }

func (d *Document) note(at schrootconf.Position, format string, args ...any) {
	d.Notes = append(d.Notes, Note{at, fmt.Sprintf(format, args...)})
}

// judge says whether the object can be used as it is.
func (d *Document) judge() {
	if len(d.Refused) > 0 {
		return
	}
	if _, err := yaml.Marshal(d.Object); err != nil {
		d.Refused = append(d.Refused, "it cannot be written: "+err.Error())
	}
	for _, e := range spec.Validate(d.Object) {
		d.Refused = append(d.Refused, e.Field+": "+reason(e))
	}
}

// reason is what is wrong, without the list of all that would not be.
func reason(e *field.Error) string {
	if e.Type == field.ErrorTypeRequired {
		return "it is missing; want " + e.Detail
	}
	text, _, _ := strings.Cut(e.Detail, ", want ")
	return text
}
