package spec

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// target returns the node that an alias stands for, or the node itself.
func target(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// null tells whether a node is as good as not written.
func null(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// child returns the value of a mapping's key, or nil.
func child(node *yaml.Node, name string) *yaml.Node {
	if node == nil {
		return nil
	}
	if node = target(node); node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if key := node.Content[i]; key.Kind == yaml.ScalarNode && key.Value == name {
			return target(node.Content[i+1])
		}
	}
	return nil
}

// count returns how often a mapping has a key.
func count(node *yaml.Node, name string) int {
	n := 0
	for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
		if node.Content[i].Value == name {
			n++
		}
	}
	return n
}

// text returns a string scalar's value, or "".
func text(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode || null(node) {
		return ""
	}
	return node.Value
}

// describe says in words what a node is.
func describe(node *yaml.Node) string {
	switch target(node).Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	value := shown(target(node).Value)
	switch tag := target(node).Tag; {
	case tag == "!!int", tag == "!!float":
		return "the number " + value
	case tag == "!!bool":
		return "the truth value " + value
	case tag == "!!timestamp":
		return "the date " + value
	case tag == "!!null":
		return "nothing"
	case strings.HasPrefix(tag, "!") && tag != "!!str":
		return fmt.Sprintf("%q with the tag %s", value, shown(tag))
	default:
		return fmt.Sprintf("%q", value)
	}
}

// shown cuts to what can be shown in one line of a message.
func shown(value string) string {
	const most = 64
	if len(value) > most {
		return strings.ToValidUTF8(value[:most], "") + "…"
	}
	return value
}

// oneLine takes out what would break a line, or the terminal it is shown on.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

var knownFields sync.Map // of reflect.Type to map[string]reflect.Type

// fieldsOf returns a struct's fields by their names in JSON, embedded ones among
// them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := knownFields.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
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
	knownFields.Store(t, fields)
	return fields
}

// join appends a field's name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
