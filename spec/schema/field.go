package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"coppice.dev/spec"
	"coppice.dev/spec/schema/derive"
)

// Field is a field of a kind, or the kind itself, as its schema describes it.
type Field struct {
	// Name is the field's, or the kind.
	Name string
	// Type is what kubectl explain would call it: string, integer, []string, Object.
	Type string
	// Description is for people; each paragraph is a line of its own.
	Description string
	// Required is set for one that cannot be left out.
	Required bool
	// Values are the only ones it may have, if there are but some.
	Values []string
	// Rules are what else holds, each as a person would be told who broke it.
	Rules []string
	// Fields are those it is made of, sorted.
	Fields []Field
}

// Find returns the field at a path of names below a kind, which itself is the field
// of no names. A list or mapping is walked through as if it were one of its entries.
func Find(kind string, path []string) (Field, error) {
	root, err := openAPI(kind)
	if err != nil {
		return Field{}, err
	}
	at, name, required := root, kind, false
	for i, step := range path {
		within := at.entry()
		child, is := within.Properties[step]
		if !is {
			parent := strings.Join(append([]string{strings.ToLower(kind)}, path[:i]...), ".")
			return Field{}, fmt.Errorf("%s has no field %q; %s", parent, step, root.meant(parent, within, path[i:]))
		}
		at, name, required = child, step, slices.Contains(within.Required, step)
	}
	return at.field(name, required), nil
}

// meant says what somebody may have meant who asked for a path that leads nowhere from
// a place in the schema: a name that is nearly the same there, the same one elsewhere,
// or whatever there is.
func (n node) meant(parent string, at node, path []string) string {
	names := slices.Sorted(maps.Keys(at.Properties))
	kind, _, _ := strings.Cut(parent, ".")
	var places []string
	if near := spec.Nearest(path[0], names); near != "" {
		places = []string{strings.Join(append([]string{parent, near}, path[1:]...), ".")}
	} else {
		places = n.named(path[len(path)-1], kind)
	}
	switch {
	case len(places) > 0:
		return "did you mean " + strings.Join(places, " or ") + "?"
	case len(names) > 0:
		return "there are " + strings.Join(names, ", ")
	}
	return "it has no fields"
}

// node is what is read of an OpenAPI schema, or of a JSON Schema.
type node struct {
	Type        typeName        `json:"type"`
	Description string          `json:"description"`
	ReadOnly    bool            `json:"readOnly"`
	Required    []string        `json:"required"`
	Properties  map[string]node `json:"properties"`
	Items       *node           `json:"items"`
	// AdditionalProperties are a mapping's values.
	AdditionalProperties *values           `json:"additionalProperties"`
	Enum                 []json.RawMessage `json:"enum"`
	IntOrString          bool              `json:"x-kubernetes-int-or-string"`
	Validations          []struct {
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

// typeName is the name of a type; of several the first, since the others are null.
type typeName string

func (t *typeName) UnmarshalJSON(text []byte) error {
	var names []string
	if json.Unmarshal(text, &names) == nil && len(names) > 0 {
		*t = typeName(names[0])
		return nil
	}
	return json.Unmarshal(text, (*string)(t))
}

// values are those of a mapping, unless it is only said that there are no others.
type values struct{ *node }

func (v *values) UnmarshalJSON(text []byte) error {
	var is bool
	if json.Unmarshal(text, &is) == nil {
		return nil
	}
	return json.Unmarshal(text, &v.node)
}

// openAPI returns the schema of a kind: what an API server knows of it, and of what all
// objects have what the kind's JSON Schema says.
func openAPI(kind string) (node, error) {
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema node `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	var all node
	err := yaml.Unmarshal(CRD(kind), &definition)
	if err == nil {
		err = json.Unmarshal(JSON(kind), &all)
	}
	if err != nil {
		return node{}, fmt.Errorf("read the schema of %s: %w", kind, err)
	}
	root := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	root.Required = all.Required
	for _, name := range []string{"apiVersion", "kind", "metadata"} {
		field := all.Properties[name]
		field.Type = root.Properties[name].Type
		maps.DeleteFunc(field.Properties, func(_ string, n node) bool { return n.ReadOnly }) // nobody writes those
		root.Properties[name] = field
	}
	return root, nil
}

// entry is what has the fields: the node itself, or what its entries are.
func (n node) entry() node {
	for {
		switch {
		case n.Items != nil:
			n = *n.Items
		case n.mapping():
			n = *n.AdditionalProperties.node
		default:
			return n
		}
	}
}

// mapping reports whether it is one of names that are free.
func (n node) mapping() bool {
	return n.AdditionalProperties != nil && n.AdditionalProperties.node != nil
}

// named returns the paths of the fields of a name, the highest ones.
func (n node) named(name, path string) []string {
	var found []string
	entry := n.entry()
	for _, child := range slices.Sorted(maps.Keys(entry.Properties)) {
		switch at := path + "." + child; {
		case strings.EqualFold(child, name):
			found = append(found, at)
		case child != "status":
			found = append(found, entry.Properties[child].named(name, at)...)
		}
	}
	return found
}

func (n node) field(name string, required bool) Field {
	f := Field{Name: name, Type: n.kind(), Required: required, Description: plain(derive.Described(name, n.Description))}
	entry := n.entry()
	for _, v := range entry.Enum {
		f.Values = append(f.Values, strings.Trim(string(v), `"`))
	}
	for _, of := range []node{n, entry} {
		for _, v := range of.Validations {
			if !slices.Contains(f.Rules, v.Message) {
				f.Rules = append(f.Rules, v.Message)
			}
		}
	}
	for _, child := range slices.Sorted(maps.Keys(entry.Properties)) {
		f.Fields = append(f.Fields, entry.Properties[child].field(child, slices.Contains(entry.Required, child)))
	}
	return f
}

// kind is what people call the type.
func (n node) kind() string {
	switch {
	case n.IntOrString:
		return "Quantity"
	case n.Items != nil:
		return "[]" + n.Items.kind()
	case n.mapping():
		return "map[string]" + n.AdditionalProperties.kind()
	case n.Type == "object":
		return "Object"
	}
	return string(n.Type)
}

// plain joins the lines of each paragraph of a Go comment.
func plain(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(paragraphs, "\n")
}
