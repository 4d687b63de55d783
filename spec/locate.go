package spec

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// locate returns where in a document the field at the path stands; if it is not
// written, where the nearest thing around it does.
func locate(root *yaml.Node, path string) (line, column int) {
	node := root
	line, column = root.Line, root.Column
	for _, step := range steps(path) {
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		next := child(node, step)
		if i, err := strconv.Atoi(step); err == nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
			next = node.Content[i]
		}
		if next == nil {
			break
		}
		node, line, column = next, next.Line, next.Column
	}
	return line, column
}

// steps splits spec.mounts[1].target into spec, mounts, 1, target.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}
