package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
)

// MaxSize is the most bytes that a manifest may have.
const MaxSize = 1 << 20

// Parse reads a manifest: it splits the documents, decodes each strictly, fills
// in defaults and validates. It reports all problems it finds, not the first;
// a document with problems does not keep the others from being used.
//
// The problems returned are all there are: those of the documents, and those
// that are nobody's document's, such as a syntax error.
func Parse(file string, data []byte) ([]Document, []Problem) {
	if problem := unreadable(data); problem != "" {
		return nil, []Problem{{File: file, Message: problem}}
	}
	var documents []Document
	var problems []Problem
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for index := 1; ; index++ {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			problems = append(problems, syntaxError(file, index, err))
			break // the decoder does not find back
		}
		for _, root := range items(&node) {
			documents = append(documents, document(file, index, root)...)
		}
	}
	for _, d := range documents {
		problems = append(problems, d.Problems...)
	}
	return documents, problems
}

// unreadable says why data cannot be a manifest at all.
func unreadable(data []byte) string {
	switch {
	case len(data) > MaxSize:
		return fmt.Sprintf("it has %d bytes; a manifest may have %d: split it", len(data), MaxSize)
	case bytes.IndexByte(data, 0) >= 0:
		return "it holds a zero byte: it is no text, or was written only in part"
	case !utf8.Valid(data):
		return "it is not UTF-8: convert it, for example with iconv -t UTF-8"
	}
	return ""
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func syntaxError(file string, index int, err error) Problem {
	text := err.Error()
	p := Problem{File: file, Document: index}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1]) // 0 if the library does not say
		text = text[len(m[0]):]
	}
	p.Message = "no YAML: " + text
	if strings.Contains(text, "cannot start any token") {
		p.Message += "; indent with spaces, not tabs"
	}
	return p
}

// items returns the mapping of a document, or those of the items of a List, as
// kubectl and kustomize write them.
func items(node *yaml.Node) []*yaml.Node {
	if node.Kind != yaml.DocumentNode || len(node.Content) == 0 {
		return nil
	}
	root := node.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil // nothing but comments
	}
	if text(child(root, "kind")) == "List" {
		if list := child(root, "items"); list != nil && list.Kind == yaml.SequenceNode {
			return list.Content
		}
	}
	return []*yaml.Node{root}
}

// document decodes one.
func document(file string, index int, root *yaml.Node) []Document {
	d := Document{Index: index, Line: root.Line}
	c := checker{file: file, index: index}
	d.Kind, d.Name = text(child(root, "kind")), text(child(child(root, "metadata"), "name"))
	object := c.object(root, d.Kind)
	if object == nil {
		d.Problems = c.problems
		return []Document{d}
	}
	if c.check(root, object) {
		c.fill(root, object)
		Default(object)
		for _, e := range Validate(object) {
			if !c.reported(e.Field) {
				line, column := locate(root, e.Field)
				c.problems = append(c.problems, Problem{file, index, line, column, e.Field, message(e)})
			}
		}
	}
	if len(c.problems) == 0 {
		d.Object = object
	}
	d.Problems = c.problems
	slices.SortStableFunc(d.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return []Document{d}
}

// object returns an empty object of the document's kind.
func (c *checker) object(root *yaml.Node, kind string) Object {
	if root.Kind != yaml.MappingNode {
		c.report(root, "", "want a mapping with apiVersion, kind, metadata and spec")
		return nil
	}
	if version := child(root, "apiVersion"); version == nil {
		c.report(root, "apiVersion", "required: write apiVersion: "+APIVersion)
	} else if text(version) != APIVersion {
		c.report(version, "apiVersion", fmt.Sprintf("unknown version %q, want %s", text(version), APIVersion))
	}
	switch kind {
	case KindChroot:
		return new(Chroot)
	case KindProfile:
		return new(Profile)
	case KindSession:
		return new(Session)
	case "":
		c.report(root, "kind", "required: Chroot, Profile or Session")
	default:
		c.report(child(root, "kind"), "kind", fmt.Sprintf("unknown kind %q", kind)+
			didYouMean(kind, []string{KindChroot, KindProfile, KindSession}, ", want Chroot, Profile or Session"))
	}
	return nil
}

// fill decodes what the check found no fault with, so that the rest of a
// document with mistakes can be validated too. The library should find no more;
// if it does, its words are reported as they are.
func (c *checker) fill(root *yaml.Node, object Object) {
	var value any
	if err := c.sound(root).Decode(&value); err != nil {
		c.report(root, "", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		c.report(root, "", err.Error())
		return
	}
	strict, err := kjson.UnmarshalStrict(text, object)
	for _, e := range append(strict, err) {
		if e != nil {
			c.report(root, "", e.Error())
		}
	}
}
