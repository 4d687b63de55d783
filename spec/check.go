package spec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxFollowed bounds the nodes of a file that are reached through aliases: a few
// lines of them can stand for billions of nodes. All others are bounded by the
// file's size, and the depth by that of the Go types.
const maxFollowed = 10_000

// checker compares a document's nodes with the Go type that they are to fill,
// which gives every problem its place in the file, and makes of what fits the
// value that is decoded into the type.
type checker struct {
	file     string
	index    int
	aliases  int  // followed on the way to the node at hand
	followed *int // nodes reached through aliases, in the whole file
	problems []Problem
	unknown  []string // the paths of unknown fields
	left     int      // problems that were not kept, being too many
}

func (c *checker) report(node *yaml.Node, path, message string) {
	path, message = oneLine(path), oneLine(message)
	if slices.ContainsFunc(c.problems, func(p Problem) bool {
		return p.Line == node.Line && p.Column == node.Column && p.Message == message
	}) {
		return // the same text, met again through an alias
	}
	if len(c.problems) == maxProblems {
		c.left++
		return
	}
	c.problems = append(c.problems, Problem{c.file, c.index, node.Line, node.Column, path, message})
}

// validated adds what validation found, but for what only follows from problems
// that were reported already.
func (c *checker) validated(root *yaml.Node, errs field.ErrorList) {
	for i, e := range errs {
		if len(c.problems) == maxProblems {
			c.left += len(errs) - i
			return // to find their places would take long
		}
		if c.reported(e.Field) || e.Type == field.ErrorTypeRequired && c.misspelt(root, e.Field) {
			continue
		}
		line, column := locate(root, e.Field)
		c.report(&yaml.Node{Line: line, Column: column}, e.Field, message(e))
	}
}

// reported tells whether something was said already about the field at the path,
// or about one that it is part of.
func (c *checker) reported(path string) bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Path != "" && within(path, p.Path) })
}

// misspelt tells whether what is missing at the path may be there under a name
// that is not known: beside it, beside what it is a part of, or within it.
func (c *checker) misspelt(root *yaml.Node, path string) bool {
	return slices.ContainsFunc(c.unknown, func(u string) bool {
		beside := parent(u)
		if within(beside, path) {
			return true
		}
		rest, is := strings.CutPrefix(path, beside)
		if !is {
			return false
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), ".")
		_, _, there := find(root, join(beside, name))
		return !there
	})
}

// within tells whether a path is another or leads to a part of it.
func within(path, of string) bool {
	rest, is := strings.CutPrefix(path, of)
	return is && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// parent returns the path of what a field belongs to.
func parent(path string) string { return path[:max(0, strings.LastIndexByte(path, '.'))] }

// sorted returns the problems in the order of the file.
func (c *checker) sorted() []Problem {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if c.left > 0 {
		c.problems = append(c.problems, Problem{File: c.file, Document: c.index, Message: fmt.Sprintf("and %d problems more", c.left)})
	}
	return c.problems
}

// check reports what of the document does not fit the object, and returns what
// does. It returns false if the document had better not be looked at any further.
func (c *checker) check(root *yaml.Node, object Object) (any, bool) {
	value, _ := c.value(root, reflect.TypeOf(object).Elem(), "")
	if *c.followed > maxFollowed {
		c.problems, c.left = nil, 0
		c.report(root, "", fmt.Sprintf("its aliases stand for more than %d values; write out what is meant", maxFollowed))
		return nil, false
	}
	return value, true
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	managed     = reflect.TypeFor[metav1.ManagedFieldsEntry]()
)

// value checks a node against a type. It returns nil for what is not written,
// and false for what is wrong as a whole.
func (c *checker) value(node *yaml.Node, t reflect.Type, path string) (any, bool) {
	if node.Kind == yaml.AliasNode {
		c.aliases++
		defer func() { c.aliases-- }()
		node = node.Alias
	}
	if c.aliases > 0 {
		if *c.followed++; *c.followed > maxFollowed {
			return nil, false
		}
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if null(node) {
		return nil, true
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return c.leaf(node, t, path)
	}
	switch t.Kind() {
	case reflect.Struct:
		return c.mapping(node, t, path)
	case reflect.Map:
		return c.dictionary(node, t, path)
	case reflect.Slice:
		return c.sequence(node, t, path)
	default:
		return c.scalar(node, t, path)
	}
}
