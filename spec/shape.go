package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mapping checks a struct's fields.
func (c *checker) mapping(node *yaml.Node, t reflect.Type, path string) (any, bool) {
	fields := fieldsOf(t)
	return c.pairs(node, path, func(key *yaml.Node) (reflect.Type, string) {
		at := join(path, key.Value)
		of, known := fields[key.Value]
		switch {
		case known && of == reflect.SliceOf(managed), path == "" && key.Value == "status":
			return nil, "" // the API server's and the daemon's, as kubectl prints them
		case known:
			return of, at
		}
		names := slices.Sorted(maps.Keys(fields))
		c.unknown = append(c.unknown, at)
		c.report(key, shown(at), fmt.Sprintf("unknown field %q", shown(key.Value))+didYouMean(key.Value, names, knownHere(names)))
		return nil, ""
	})
}

// knownHere lists the fields there are, if that is of use.
func knownHere(names []string) string {
	const most = 16
	if len(names) > most {
		return ""
	}
	return "; known here: " + strings.Join(names, ", ")
}

// dictionary checks a map, whose keys are free.
func (c *checker) dictionary(node *yaml.Node, t reflect.Type, path string) (any, bool) {
	return c.pairs(node, path, func(key *yaml.Node) (reflect.Type, string) {
		at := path + "[" + shown(key.Value) + "]"
		if other := otherThanString(key); other != "" {
			c.report(key, at, fmt.Sprintf("%s is no name; put it in quotes: %q", other, shown(key.Value)))
			return nil, ""
		}
		return t.Elem(), at
	})
}

// pairs checks a mapping. known returns the type that a key's value is to fill
// and its path, or nil if the value is to be left out.
func (c *checker) pairs(node *yaml.Node, path string, known func(key *yaml.Node) (reflect.Type, string)) (any, bool) {
	if node.Kind != yaml.MappingNode || !strings.HasPrefix(node.Tag, "!!map") {
		c.report(node, path, "want a mapping, got "+describe(node))
		return nil, false
	}
	values := map[string]any{}
	first := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch line, twice := first[key.Value]; {
		case key.Tag == "!!merge":
			merged = append(merged, c.merged(value, path)...)
			continue
		case key.Kind != yaml.ScalarNode:
			c.report(key, path, "want a name before the colon, got "+describe(key))
			continue
		case twice:
			message := fmt.Sprintf("written twice, first on line %d", line)
			if path == "" {
				message += "; put a line --- between two documents"
			}
			c.report(key, join(path, shown(key.Value)), message)
			continue
		}
		first[key.Value] = key.Line
		t, at := known(key)
		if t == nil {
			continue
		}
		if v, ok := c.value(value, t, at); ok && v != nil {
			values[key.Value] = v
		} else if ok && node.Kind == yaml.MappingNode && t.Kind() == reflect.String && strings.HasSuffix(at, "]") {
			c.report(value, at, `it has no value; write "" for an empty one`)
		}
	}
	// What is written here goes before what is merged in, and the first of those
	// before the others (YAML 1.1, "<<").
	for _, m := range merged {
		c.aliases++
		more, ok := c.pairs(m, path, func(key *yaml.Node) (reflect.Type, string) {
			if _, written := first[key.Value]; written {
				return nil, ""
			}
			return known(key)
		})
		c.aliases--
		if ok {
			for name, v := range more.(map[string]any) {
				if _, there := values[name]; !there {
					values[name] = v
				}
			}
		}
	}
	return values, true
}

// merged returns the mappings that << brings in.
func (c *checker) merged(value *yaml.Node, path string) []*yaml.Node {
	list := []*yaml.Node{target(value)}
	if list[0].Kind == yaml.SequenceNode {
		list = list[0].Content
	}
	var found []*yaml.Node
	for _, v := range list {
		if *c.followed++; *c.followed > maxFollowed {
			return nil // among them one that brings in itself
		}
		if v = target(v); v.Kind != yaml.MappingNode {
			c.report(v, path, "want a mapping, or a list of them, after <<, got "+describe(v))
			continue
		}
		found = append(found, v)
	}
	return found
}

// sequence checks a list. What is wrong stays as an empty entry, so that those
// after it keep their numbers.
func (c *checker) sequence(node *yaml.Node, t reflect.Type, path string) (any, bool) {
	if node.Kind != yaml.SequenceNode {
		c.report(node, path, "want a list, got "+describe(node)+"; begin each entry with a dash")
		return nil, false
	}
	values := make([]any, len(node.Content))
	for i, entry := range node.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		v, ok := c.value(entry, t.Elem(), at)
		if ok && v == nil {
			c.report(entry, at, "it is empty; remove it, or write what is meant")
		}
		if values[i] = v; !ok {
			values[i] = nil
		}
	}
	return values, true
}
