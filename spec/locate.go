package spec

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Locate returns where the field at the path stands, as spec.mounts[1].target or
// metadata.labels[a.example/b], counted from 1; if it is not written, where the
// nearest thing around it does. Both are 0 in a document that is no YAML.
func (d Document) Locate(path string) (line, column int) {
	if d.root == nil {
		return d.Line, 0
	}
	return locate(d.root, path)
}

func locate(root *yaml.Node, path string) (line, column int) {
	line, column, _ = find(root, path)
	return line, column
}

// find is locate, and tells whether the field is written at all.
func find(root *yaml.Node, path string) (line, column int, there bool) {
	node := root
	line, column = root.Line, root.Column
	for _, step := range steps(path) {
		node = target(node)
		var next *yaml.Node
		if node.Kind == yaml.SequenceNode {
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
				next = node.Content[i]
			}
		} else {
			next = child(node, step)
		}
		if next == nil {
			return line, column, false
		}
		node, line, column = next, next.Line, next.Column
	}
	return line, column, true
}

// steps splits spec.mounts[1].target into spec, mounts, 1, target. What is in
// brackets is one step, dots and all.
func steps(path string) []string {
	var all []string
	for path != "" {
		if rest, is := strings.CutPrefix(path, "["); is {
			key, after, _ := strings.Cut(rest, "]")
			all, path = append(all, key), after
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end > 0 {
			all = append(all, path[:end])
		}
		path = path[end:]
	}
	return all
}
