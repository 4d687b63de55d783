// Package derive makes JSON Schemas of CustomResourceDefinitions. A definition is
// read by an API server, which adds what holds for all objects, and drops what it
// does not know; a JSON Schema stands alone, and is strict, since a misspelt field
// is what people look for with it.
//
// It only turns values into others; the generator reads and writes the files.
package derive

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Draft is the JSON Schema that editors and kubeconform both read.
const Draft = "http://json-schema.org/draft-07/schema#"

// definition is what is needed of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// JSON returns the JSON Schema of the kind that a CustomResourceDefinition, in YAML,
// defines. It has one version.
func JSON(crd []byte) ([]byte, error) {
	var d definition
	if err := yaml.Unmarshal(crd, &d); err != nil {
		return nil, fmt.Errorf("read CustomResourceDefinition: %w", err)
	}
	if len(d.Spec.Versions) != 1 {
		return nil, fmt.Errorf("CustomResourceDefinition of %s: it has %d versions, want one", d.Spec.Names.Kind, len(d.Spec.Versions))
	}
	version := d.Spec.Versions[0]
	schema := strict(version.Schema.OpenAPIV3Schema)
	fields := schema["properties"].(map[string]any)
	fields["apiVersion"] = map[string]any{"const": d.Spec.Group + "/" + version.Name, "description": "The group and version of the API: " + d.Spec.Group + "/" + version.Name + "."}
	fields["kind"] = map[string]any{"const": d.Spec.Names.Kind, "description": "The kind of the object: " + d.Spec.Names.Kind + "."}
	fields["metadata"] = metadata
	// What kubectl prints is taken, whatever the daemon says in it.
	fields["status"] = map[string]any{"type": "object", "readOnly": true, "description": "status is what the daemon tells; it is never read from a manifest."}
	schema["required"] = required(schema, "apiVersion", "kind", "metadata")
	schema["$schema"] = Draft
	schema["title"] = d.Spec.Names.Kind
	return marshal(schema)
}

// Any returns a JSON Schema that takes what one of the schemas takes, each of them of
// the kind that is its title. An error in a manifest is told of the kind that the
// manifest says it is of, instead of all of them.
func Any(schemas ...[]byte) ([]byte, error) {
	var kinds, cases []any
	for _, text := range schemas {
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			return nil, fmt.Errorf("read JSON Schema: %w", err)
		}
		kind := schema["title"]
		delete(schema, "$schema")
		kinds = append(kinds, kind)
		cases = append(cases, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"kind": map[string]any{"const": kind}}},
			"then": schema,
		})
	}
	return marshal(map[string]any{
		"$schema": Draft, "title": "Manifest", "type": "object",
		"description": "One object of Coppice.",
		"properties":  map[string]any{"kind": map[string]any{"enum": kinds, "description": "The kind of the object."}},
		"required":    []any{"apiVersion", "kind", "metadata"},
		"allOf":       cases,
	})
}

func marshal(schema map[string]any) ([]byte, error) {
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON Schema: %w", err)
	}
	return append(text, '\n'), nil
}

// required returns what a schema requires, and more.
func required(schema map[string]any, more ...string) []any {
	names := map[string]bool{}
	if list, is := schema["required"].([]any); is {
		for _, name := range list {
			names[name.(string)] = true
		}
	}
	for _, name := range more {
		names[name] = true
	}
	var all []any
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, name)
	}
	return all
}

// strict returns a schema that takes no fields it does not name, without what only
// an API server reads.
func strict(schema map[string]any) map[string]any {
	result := map[string]any{}
	for key, value := range schema {
		switch {
		case key == "x-kubernetes-validations":
			alternatives(result, value)
		case key == "x-kubernetes-list-type" && value == "set":
			result["uniqueItems"] = true
		case strings.HasPrefix(key, "x-kubernetes-"):
		case key == "format" && value != "date-time": // int64 and the like, which are no formats there
		case key == "properties":
			result[key] = each(value)
			result["additionalProperties"] = false
		case key == "items", key == "additionalProperties":
			if of, is := value.(map[string]any); is {
				result[key] = strict(of)
			}
		default:
			result[key] = value
		}
	}
	return result
}

func each(properties any) map[string]any {
	result := map[string]any{}
	for name, schema := range properties.(map[string]any) {
		field := strict(schema.(map[string]any))
		if text, is := field["description"].(string); is {
			field["description"] = Described(name, text)
		}
		result[name] = field
	}
	return result
}

// Described returns what a Go comment says of a field for those who know the field by
// the name that it has in a manifest.
func Described(name, comment string) string {
	if first, rest, is := strings.Cut(comment, " "); is && strings.EqualFold(first, name) {
		return name + " " + rest
	}
	return comment
}

// has are the fields that one of the generator's own rules counts.
var has = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`has\(self\.([A-Za-z]+)\)`) })

// alternatives adds the rules about fields that exclude each other, which are all
// that can be said without CEL.
func alternatives(schema map[string]any, rules any) {
	for _, rule := range rules.([]any) {
		text, _ := rule.(map[string]any)["rule"].(string)
		if !strings.HasPrefix(text, "[has(") {
			continue
		}
		var each []any
		for _, name := range has().FindAllStringSubmatch(text, -1) {
			each = append(each, map[string]any{"required": []any{name[1]}})
		}
		if strings.HasSuffix(text, "== 1") {
			schema["oneOf"] = each
		} else {
			schema["not"] = map[string]any{"allOf": each} // each of them is of two fields
		}
	}
}
