package spec

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with a manifest.
type Problem struct {
	// File is the manifest's path, as it was given.
	File string
	// Document is the number of the document in the file, from 1; 0 if the file
	// as a whole is meant.
	Document int
	// Line and Column are where, from 1; 0 if that is not known.
	Line, Column int
	// Path is the field's, such as spec.mounts[1].target; it may be empty.
	Path string
	// Message says what is wrong, and what to do where that is not plain.
	Message string
}

// String returns "file:line:column: document N: path: message" without the
// parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	b.WriteString(": ")
	if p.Document > 1 {
		fmt.Fprintf(&b, "document %d: ", p.Document)
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Document is one document of a manifest.
type Document struct {
	// Index is the document's number in its file, from 1. The items of a List
	// have the number of the list.
	Index int
	// Line is where the document, or the item, begins.
	Line int
	// Kind and Name say what the document is about, even if it cannot be used,
	// so that what was good of that name can be kept. Both are empty where that
	// is not certain: such a document may be about anything.
	Kind, Name string
	// Object is what the document says; nil if there are problems.
	Object Object
	// Problems are what is wrong with this document.
	Problems []Problem

	root *yaml.Node
}
