package spec

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"
)

// reader gathers the documents of one file.
type reader struct {
	file      string
	finish    func(*checker, *yaml.Node, Object)
	index     int // of the document at hand, from 1
	followed  int // nodes reached through aliases so far, in all documents
	documents []Document
}

// chunk reads one document's text.
func (r *reader) chunk(c chunk) {
	node, err := parse(c.text)
	if errors.Is(err, io.EOF) {
		return // comments
	}
	if rewritten, is := escapes(c.text); err != nil && is {
		node, err = parse(rewritten)
	}
	r.index++
	if err != nil {
		p := syntaxError(c, err)
		p.File, p.Document = r.file, r.index
		r.documents = append(r.documents, Document{Index: r.index, Line: c.line, Problems: []Problem{p}})
		return
	}
	shift(node, c.line-1)
	roots := r.roots(node)
	if len(roots) > maxDocuments {
		p := Problem{File: r.file, Document: r.index, Line: c.line, Path: "items", Message: fmt.Sprintf("has %d entries; a List may have %d: split it", len(roots), maxDocuments)}
		r.documents = append(r.documents, Document{Index: r.index, Line: c.line, Problems: []Problem{p}})
		return
	}
	for _, root := range roots {
		r.document(c, root)
	}
}

// parse returns the nodes of the one document in a text.
func parse(text string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var node, more yaml.Node
	if err := decoder.Decode(&node); err != nil {
		return nil, err
	}
	// Line separators that only YAML 1.1 knows can hide a marker from split.
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, errors.New("a document begins in the middle of a line: end lines with a newline")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return &node, nil
}

// shift makes the lines of a document's nodes those of the file.
func shift(node *yaml.Node, by int) {
	if by == 0 {
		return
	}
	node.Line += by
	for _, n := range node.Content {
		shift(n, by)
	}
}

// roots returns the mapping of a document, or those of the items of a List, as
// kubectl and kustomize write them.
func (r *reader) roots(node *yaml.Node) []*yaml.Node {
	if node.Kind != yaml.DocumentNode || len(node.Content) == 0 {
		return nil
	}
	root := node.Content[0]
	if null(root) {
		return nil // nothing but a marker, and perhaps comments
	}
	if text(child(root, "kind")) == "List" {
		if items := child(root, "items"); items != nil && items.Kind == yaml.SequenceNode {
			return items.Content
		}
	}
	return []*yaml.Node{root}
}

// document decodes one.
func (r *reader) document(of chunk, root *yaml.Node) {
	c := checker{file: r.file, index: r.index, followed: &r.followed}
	if root.Kind == yaml.AliasNode {
		root, c.aliases = root.Alias, 1
	}
	d := Document{Index: r.index, Line: root.Line, root: root}
	object := c.object(root)
	if object != nil && c.fill(root, object) {
		c.named(root, object)
		r.finish(&c, root, object)
	}
	d.Problems = c.sorted()
	if object != nil {
		d.Kind, d.Name = object.GetKind(), certainName(of, root, len(d.Problems) > 0)
		if d.Name == "" {
			d.Kind = ""
		}
	}
	if len(d.Problems) == 0 {
		d.Object = object
	}
	r.documents = append(r.documents, d)
}

// certainName returns a document's name, if it is sure to be meant. Of a document
// with problems the name may have been cut off with the rest of the file, or there
// may be two where the line between two documents is missing: whoever trusted it
// would take the object of the whole name for gone.
func certainName(of chunk, root *yaml.Node, broken bool) string {
	name := text(child(child(root, "metadata"), "name"))
	switch {
	case len(validation.IsDNS1123Label(name)) > 0:
		return ""
	case broken && (strings.HasSuffix(of.text, name) || count(root, "kind") > 1 || count(root, "metadata") > 1):
		return ""
	}
	return name
}

// twice reports objects that the file holds more than once: which one is meant
// cannot be known.
func (r *reader) twice() {
	first := map[[2]string]int{}
	for i := range r.documents {
		d := &r.documents[i]
		if d.Name == "" {
			continue
		}
		key := [2]string{d.Kind, d.Name}
		j, seen := first[key]
		if !seen {
			first[key] = i
			continue
		}
		r.again(j, d.Line)
		r.again(i, r.documents[j].Line)
	}
}

// again refuses one of two documents of one name.
func (r *reader) again(i, other int) {
	d := &r.documents[i]
	if slices.ContainsFunc(d.Problems, func(p Problem) bool { return p.Path == "metadata.name" }) {
		return
	}
	line, column := d.Locate("metadata.name")
	d.Problems = append(d.Problems, Problem{
		File: r.file, Document: d.Index, Line: line, Column: column, Path: "metadata.name",
		Message: fmt.Sprintf("%s %q is in this file more than once, also on line %d; remove all but one", d.Kind, d.Name, other),
	})
	d.Object = nil
}
