package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
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

// node is what is read of an OpenAPI schema.
type node struct {
	Type        string          `json:"type"`
	Description string          `json:"description"`
	Required    []string        `json:"required"`
	Properties  map[string]node `json:"properties"`
	Items       *node           `json:"items"`
	// AdditionalProperties are a mapping's values.
	AdditionalProperties *node             `json:"additionalProperties"`
	Enum                 []json.RawMessage `json:"enum"`
	IntOrString          bool              `json:"x-kubernetes-int-or-string"`
	Validations          []struct {
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

// metadata describes what an API server's own schema says of every object.
const metadata = `What the object is called, and what else is kept with it: metadata.name, which every
object has, labels to select objects by, and annotations for programs to read.`

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
			known := "it has no fields"
			if len(within.Properties) > 0 {
				known = "there are " + strings.Join(slices.Sorted(maps.Keys(within.Properties)), ", ")
			}
			if places := root.named(path[len(path)-1], strings.ToLower(kind)); len(places) > 0 {
				known = "did you mean " + strings.Join(places, " or ") + "?"
			}
			return Field{}, fmt.Errorf("%s has no field %q; %s", strings.Join(append([]string{strings.ToLower(kind)}, path[:i]...), "."), step, known)
		}
		at, name, required = child, step, slices.Contains(within.Required, step)
	}
	return at.field(name, required), nil
}

// openAPI returns the schema of a kind.
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
	if err := yaml.Unmarshal(CRD(kind), &definition); err != nil {
		return node{}, fmt.Errorf("read the schema of %s: %w", kind, err)
	}
	root := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	root.Required = append(root.Required, "apiVersion", "kind", "metadata")
	m := root.Properties["metadata"]
	m.Description = metadata
	root.Properties["metadata"] = m
	return root, nil
}

// entry is what has the fields: the node itself, or what its entries are.
func (n node) entry() node {
	for {
		switch {
		case n.Items != nil:
			n = *n.Items
		case n.AdditionalProperties != nil:
			n = *n.AdditionalProperties
		default:
			return n
		}
	}
}

// named returns the paths of the fields of a name, the highest ones.
func (n node) named(name, path string) []string {
	var found []string
	entry := n.entry()
	for _, child := range slices.Sorted(maps.Keys(entry.Properties)) {
		switch at := path + "." + child; {
		case child == name:
			found = append(found, at)
		case child != "status":
			found = append(found, entry.Properties[child].named(name, at)...)
		}
	}
	return found
}

func (n node) field(name string, required bool) Field {
	f := Field{Name: name, Type: n.kind(), Required: required, Description: plain(n.Description)}
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
	case n.AdditionalProperties != nil:
		return "map[string]" + n.AdditionalProperties.kind()
	case n.Type == "object":
		return "Object"
	}
	return n.Type
}

// plain joins the lines of each paragraph of a Go comment.
func plain(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(paragraphs, "\n")
}
