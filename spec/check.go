package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what a document may amount to once its aliases are followed:
// a few lines of them can stand for billions of nodes.
const maxNodes = 100_000

// checker compares a document's nodes with the Go type that they are to fill,
// which gives every problem its place in the file.
type checker struct {
	file     string
	index    int
	nodes    int // looked at, aliases followed
	copied   int
	problems []Problem
	// faulty are the nodes with a problem; a key stands for its value too.
	faulty map[*yaml.Node]bool
}

func (c *checker) report(node *yaml.Node, path, message string) {
	p := Problem{File: c.file, Document: c.index, Path: path, Message: message}
	if node != nil {
		p.Line, p.Column = node.Line, node.Column
		if c.faulty == nil {
			c.faulty = map[*yaml.Node]bool{}
		}
		c.faulty[node] = true
	}
	c.problems = append(c.problems, p)
}

// check reports what of the document does not fit the object. It returns false
// if the document had better not be looked at any further.
func (c *checker) check(root *yaml.Node, object Object) bool {
	c.value(root, reflect.TypeOf(object).Elem(), "")
	if c.nodes > maxNodes {
		c.problems = nil
		c.report(root, "", "its aliases stand for more than a manifest may hold")
	}
	return c.nodes <= maxNodes && !c.faulty[root]
}

// reported tells whether something was said already about the field at the path,
// or about one that it is part of.
func (c *checker) reported(path string) bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool {
		return p.Path != "" && (p.Path == path || strings.HasPrefix(path, p.Path+".") || strings.HasPrefix(path, p.Path+"["))
	})
}

// sound returns a copy of the node without what is faulty. The entries of a list
// keep their numbers.
func (c *checker) sound(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if c.copied++; c.copied > maxNodes {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	clean := *node
	clean.Content, clean.Anchor = nil, ""
	for i, n := range node.Content {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		switch {
		case node.Kind == yaml.SequenceNode && c.faulty[n]:
			clean.Content = append(clean.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"})
		case node.Kind == yaml.SequenceNode:
			clean.Content = append(clean.Content, c.sound(n))
		case i%2 == 1 && !c.faulty[node.Content[i-1]] && !c.faulty[n]:
			clean.Content = append(clean.Content, node.Content[i-1], c.sound(n))
		}
	}
	return &clean
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func (c *checker) value(node *yaml.Node, t reflect.Type, path string) {
	if c.nodes++; c.nodes > maxNodes {
		return
	}
	if node.Kind == yaml.AliasNode {
		c.value(node.Alias, t, path)
		return
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.Tag == "!!null" {
		return // as if it had not been written
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		c.leaf(node, t, path)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.mapping(node, t, path)
	case reflect.Map:
		c.dictionary(node, t, path)
	case reflect.Slice:
		c.sequence(node, t, path)
	default:
		c.scalar(node, t, path)
	}
}

// mapping checks a struct's fields.
func (c *checker) mapping(node *yaml.Node, t reflect.Type, path string) {
	if node.Kind != yaml.MappingNode {
		c.report(node, path, "want a mapping, got "+describe(node))
		return
	}
	fields := fieldsOf(t)
	c.pairs(node, path, func(key, value *yaml.Node) {
		field, known := fields[key.Value]
		if !known {
			names := slices.Sorted(maps.Keys(fields))
			c.report(key, join(path, key.Value), fmt.Sprintf("unknown field %q", key.Value)+
				didYouMean(key.Value, names, ""))
			return
		}
		c.value(value, field, join(path, key.Value))
	})
}

// dictionary checks a map, whose keys are free.
func (c *checker) dictionary(node *yaml.Node, t reflect.Type, path string) {
	if node.Kind != yaml.MappingNode {
		c.report(node, path, "want a mapping, got "+describe(node))
		return
	}
	c.pairs(node, path, func(key, value *yaml.Node) {
		c.value(value, t.Elem(), path+"["+key.Value+"]")
	})
}

// pairs visits a mapping's pairs, those merged in by << among them.
func (c *checker) pairs(node *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			for _, merged := range mergedInto(value) {
				c.pairs(merged, path, visit)
			}
			continue
		}
		if key.Kind != yaml.ScalarNode {
			c.report(key, path, "want a name before the colon, got "+describe(key))
			continue
		}
		if line, twice := first[key.Value]; twice {
			c.report(key, join(path, key.Value), fmt.Sprintf("written twice, first on line %d", line))
			continue
		}
		first[key.Value] = key.Line
		visit(key, value)
	}
}

func mergedInto(value *yaml.Node) []*yaml.Node {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch value.Kind {
	case yaml.MappingNode:
		return []*yaml.Node{value}
	case yaml.SequenceNode:
		var all []*yaml.Node
		for _, v := range value.Content {
			all = append(all, mergedInto(v)...)
		}
		return all
	}
	return nil
}

func (c *checker) sequence(node *yaml.Node, t reflect.Type, path string) {
	if node.Kind != yaml.SequenceNode {
		c.report(node, path, "want a list, got "+describe(node)+"; begin each entry with a dash")
		return
	}
	for i, entry := range node.Content {
		c.value(entry, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
	}
}

// wanted are the tags of YAML's scalars that fit a Go type.
var wanted = map[reflect.Kind]struct{ tag, words string }{
	reflect.String: {"!!str", "a string"},
	reflect.Bool:   {"!!bool", "true or false"},
	reflect.Int:    {"!!int", "a whole number"},
	reflect.Int64:  {"!!int", "a whole number"},
}

func (c *checker) scalar(node *yaml.Node, t reflect.Type, path string) {
	want, known := wanted[t.Kind()]
	if !known || node.Kind == yaml.ScalarNode && node.Tag == want.tag {
		return
	}
	message := fmt.Sprintf("want %s, got %s", want.words, describe(node))
	if t.Kind() == reflect.String && node.Kind == yaml.ScalarNode {
		message += fmt.Sprintf("; put it in quotes: %q", node.Value)
	}
	c.report(node, path, message)
}

// leaf checks a type that reads its own JSON form: a quantity, a duration.
func (c *checker) leaf(node *yaml.Node, t reflect.Type, path string) {
	var value any
	err := node.Decode(&value)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(value); err == nil {
			err = json.Unmarshal(text, reflect.New(t).Interface())
		}
	}
	if err != nil {
		c.report(node, path, fmt.Sprintf("%s is no %s: %v", describe(node), strings.ToLower(t.Name()), err))
	}
}

// fieldsOf returns a struct's fields by their names in JSON, embedded ones among
// them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case strings.Contains(options, "inline"):
			maps.Copy(fields, fieldsOf(f.Type))
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	return fields
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	const most = 40
	value := node.Value
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	kind := map[string]string{"!!int": "the number ", "!!float": "the number ", "!!bool": "the truth value ", "!!timestamp": "the date "}[node.Tag]
	if kind == "" {
		return fmt.Sprintf("%q", value)
	}
	return kind + value
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// child returns the value of a mapping's key, or nil.
func child(node *yaml.Node, name string) *yaml.Node {
	if node == nil {
		return nil
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// text returns a string scalar's value, or "".
func text(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return ""
	}
	return node.Value
}
