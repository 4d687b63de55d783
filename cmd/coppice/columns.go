package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/util/jsonpath"

	"coppice.dev/status"
)

// The forms of -o that take an argument, each with the sign that leads to it.
const (
	outputJSONPath = "jsonpath="
	outputColumns  = "custom-columns="
)

// template is a form of -o that says itself what is printed.
type template interface {
	// print prints objects; single is for one that was named.
	print(w io.Writer, files []status.File, single, headers bool) error
}

// parseTemplate reads a form that takes an argument; it returns nil for others.
func parseTemplate(output string) (template, error) {
	if text, is := strings.CutPrefix(output, outputJSONPath); is {
		printer, err := printers.NewJSONPathPrinter(text)
		if err != nil {
			return nil, usagef("-o jsonpath: %v", err)
		}
		return pathTemplate{printer}, nil
	}
	text, is := strings.CutPrefix(output, outputColumns)
	if !is {
		return nil, nil //nolint:nilnil // none is no mistake
	}
	var t columnTemplate
	for column := range strings.SplitSeq(text, ",") {
		name, path, found := strings.Cut(column, ":")
		if !found || name == "" || path == "" {
			return nil, usagef("-o custom-columns: %q: want NAME:.path.of.a.field", column)
		}
		parsed := jsonpath.New(name).AllowMissingKeys(true)
		if err := parsed.Parse(braced(path)); err != nil {
			return nil, usagef("-o custom-columns: %q: %v", column, err)
		}
		t.names, t.paths = append(t.names, name), append(t.paths, parsed)
	}
	return t, nil
}

// braced is a path as jsonpath has it; people leave out the braces and the dot.
func braced(path string) string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "{"), "}")
	if !strings.HasPrefix(path, ".") && !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	return "{" + path + "}"
}

// content is an object as it is written in JSON.
func content(value any) (map[string]any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	err = json.Unmarshal(text, &object) // whole numbers stay whole in this one
	return object, err
}

// pathTemplate prints what a jsonpath template makes of an object, or of a List.
type pathTemplate struct{ printer *printers.JSONPathPrinter }

func (t pathTemplate) print(w io.Writer, files []status.File, single, _ bool) error {
	show := func(value any) error {
		object, err := content(value)
		if err != nil {
			return err
		}
		return t.printer.PrintObj(&unstructured.Unstructured{Object: object}, w)
	}
	if !single {
		if files == nil {
			files = []status.File{}
		}
		return show(list{APIVersion: "v1", Kind: "List", Items: files})
	}
	for _, f := range files {
		if err := show(f); err != nil {
			return err
		}
	}
	return nil
}

// columnTemplate prints a line for each object.
type columnTemplate struct {
	names []string
	paths []*jsonpath.JSONPath
}

func (t columnTemplate) print(w io.Writer, files []status.File, _, headers bool) error {
	table := printers.GetNewTabWriter(w)
	if headers {
		fmt.Fprintln(table, strings.Join(t.names, "\t"))
	}
	for _, f := range files {
		object, err := content(f)
		if err != nil {
			return err
		}
		var cells []string
		for _, path := range t.paths {
			cell, err := cellOf(path, object)
			if err != nil {
				return err
			}
			cells = append(cells, cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// cellOf returns what a path finds in an object, "<none>" for nothing.
func cellOf(path *jsonpath.JSONPath, object map[string]any) (string, error) {
	results, err := path.FindResults(object)
	if err != nil {
		return "", err
	}
	var values []string
	for _, result := range results {
		for _, value := range result {
			var text strings.Builder
			if err := path.PrintResults(&text, []reflect.Value{value}); err != nil {
				return "", err
			}
			values = append(values, text.String())
		}
	}
	if len(values) == 0 {
		return "<none>", nil
	}
	return strings.Join(values, ","), nil
}
