package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
)

const (
	// MaxSize is the most bytes that a manifest may have.
	MaxSize = 1 << 20
	// maxDocuments bounds the documents of a file. Each costs more than its text.
	maxDocuments = 10_000
	// maxProblems bounds what is said about one document: whoever has more than
	// this to mend will not mend it from a list.
	maxProblems = 100
)

// kinds are those that a manifest may hold.
var kinds = []string{KindChroot, KindProfile, KindSession}

// Decode reads a manifest: it splits the documents and decodes each strictly. It
// reports all that does not fit the Go types, not the first; a document with
// problems does not keep the others from being used. The objects are as they are
// written, with nothing filled in.
//
// The problems returned are all there are: those of the documents, and those
// that are nobody's document's, such as a file that is no text.
func Decode(file string, data []byte) ([]Document, []Problem) {
	return read(file, data, func(*checker, *yaml.Node, Object) {})
}

// Parse is Decode, Default and Validate in one: the objects it returns can be
// used, and the problems are all there are of either sort, sorted by their place.
func Parse(file string, data []byte) ([]Document, []Problem) {
	return read(file, data, func(c *checker, root *yaml.Node, o Object) {
		Default(o)
		c.validated(root, validate(o))
	})
}

// read decodes a file; finish sees each object that was made from it.
func read(file string, data []byte, finish func(*checker, *yaml.Node, Object)) ([]Document, []Problem) {
	whole := func(line int, message string) ([]Document, []Problem) {
		return nil, []Problem{{File: file, Line: line, Message: message}}
	}
	if line, message := unreadable(data); message != "" {
		return whole(line, message)
	}
	chunks := split(strings.TrimPrefix(string(data), "\ufeff"))
	if len(chunks) > maxDocuments {
		return whole(chunks[maxDocuments].line, fmt.Sprintf("it holds %d documents; a manifest may hold %d: split it", len(chunks), maxDocuments))
	}
	r := reader{file: file, finish: finish}
	for _, c := range chunks {
		r.chunk(c)
	}
	r.twice()
	var problems []Problem
	for i := range r.documents {
		problems = append(problems, r.documents[i].Problems...)
	}
	return r.documents, problems
}

// unreadable says why data cannot be a manifest at all, and on which line that
// can be seen.
func unreadable(data []byte) (line int, message string) {
	at := func(i int) int { return 1 + bytes.Count(data[:i], []byte("\n")) }
	if len(data) > MaxSize {
		return 0, fmt.Sprintf("it has %d bytes; a manifest may have %d: split it", len(data), MaxSize)
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return 0, "it is UTF-16: convert it, for example with iconv -f UTF-16 -t UTF-8"
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return at(i), "it holds a zero byte: it is no text, or was written only in part"
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return at(i), "it is not UTF-8: convert it, for example with iconv -t UTF-8"
		}
		i += size
	}
	return 0, ""
}

// object returns an empty object of the document's kind.
func (c *checker) object(root *yaml.Node) Object {
	if root.Kind != yaml.MappingNode {
		c.report(root, "", "want a mapping with apiVersion, kind, metadata and spec")
		return nil
	}
	version, kind := child(root, "apiVersion"), child(root, "kind")
	switch given := text(version); {
	case version == nil:
		c.report(root, "apiVersion", "required: write apiVersion: "+APIVersion)
	case given != APIVersion:
		c.report(version, "apiVersion", fmt.Sprintf("unknown version %q, want %s", shown(given), APIVersion))
	}
	switch given := text(kind); given {
	case KindChroot:
		return new(Chroot)
	case KindProfile:
		return new(Profile)
	case KindSession:
		return new(Session)
	case "":
		c.report(cmp.Or(kind, root), "kind", "required: Chroot, Profile or Session")
	case "List":
		c.report(kind, "items", "required: a List has its objects under items")
	default:
		c.report(kind, "kind", fmt.Sprintf("unknown kind %q", shown(given))+didYouMean(given, kinds, ", want Chroot, Profile or Session"))
	}
	return nil
}

// fill decodes what fits the object's type, so that the rest of a document with
// mistakes can be validated too. It returns false if there is no use in that.
func (c *checker) fill(root *yaml.Node, object Object) bool {
	value, ok := c.check(root, object)
	if !ok {
		return false
	}
	text, err := json.Marshal(value)
	if err != nil {
		c.report(root, "", err.Error())
		return false
	}
	// The check leaves nothing to be found here; if it does, the library's words
	// are reported as they are.
	strict, err := kjson.UnmarshalStrict(text, object)
	for _, e := range append(strict, err) {
		if e != nil {
			c.report(root, "", e.Error())
		}
	}
	return true
}

// named reports an object without a name.
func (c *checker) named(root *yaml.Node, object Object) {
	if object.GetName() == "" && !c.reported("metadata.name") && !c.misspelt(root, "metadata.name") {
		at := cmp.Or(child(child(root, "metadata"), "name"), child(root, "metadata"), root)
		c.report(at, "metadata.name", "required: every object has a name")
	}
}
