package object

import (
	"fmt"
	"strings"
)

// Label is the string that an object of ours carries in the kernel: a loop
// device's lo_file_name, a mount's source. Its text form is
// "coppice/CONTROLLER/CLASS/NAME#PRINT". A base's label always fits the 63
// bytes of lo_file_name, any label the 255 of a mount's source.
type Label struct {
	// Controller is the identity of the state folder the object belongs to.
	Controller string
	Owner      Owner
	Print      Print
}

const labelPrefix = "coppice/"

// String returns the text form.
func (l Label) String() string {
	return labelPrefix + l.Controller + "/" + l.Owner.String() + "#" + l.Print.String()
}

// ParseLabel reads the text form of a label. Whatever is not one, to the
// letter, is somebody else's object.
func ParseLabel(text string) (Label, error) {
	rest, ours := strings.CutPrefix(text, labelPrefix)
	controller, rest, hasController := strings.Cut(rest, "/")
	owner, print, hasPrint := strings.Cut(rest, "#")
	if !ours || !hasController || controller == "" || !hasPrint {
		return Label{}, fmt.Errorf("parse label %q: want %sCONTROLLER/CLASS/NAME#PRINT", text, labelPrefix)
	}
	parsed, err := ParseOwner(owner)
	if err != nil {
		return Label{}, fmt.Errorf("parse label %q: %w", text, err)
	}
	return Label{controller, parsed, ParsePrint(print)}, nil
}
