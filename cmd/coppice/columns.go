package main

import (
	"fmt"
	"io"
	"strings"

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
		if text == "" {
			return nil, usagef("-o jsonpath: want a template, such as jsonpath='{.status.root}'")
		}
		if _, err := parsePath(text); err != nil {
			return nil, usagef("-o jsonpath: %v", err)
		}
		return pathTemplate(text), nil
	}
	text, is := strings.CutPrefix(output, outputColumns)
	if !is {
		return nil, nil //nolint:nilnil // none is no mistake
	}
	var t columnTemplate
	for part := range strings.SplitSeq(text, ",") {
		name, path, found := strings.Cut(part, ":")
		if !found || name == "" || path == "" {
			return nil, usagef("-o custom-columns: %q: want NAME:.path.of.a.field", part)
		}
		if _, err := parsePath(braced(path)); err != nil {
			return nil, usagef("-o custom-columns: %q: %v", part, err)
		}
		t = append(t, templateColumn{name, braced(path)})
	}
	return t, nil
}

// parsePath reads a template. One that was used once is not as it was, if there is a
// range in it: so each is read anew.
func parsePath(text string) (*jsonpath.JSONPath, error) {
	path := jsonpath.New("out").AllowMissingKeys(true)
	return path, path.Parse(text)
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
type pathTemplate string

func (t pathTemplate) print(w io.Writer, files []status.File, single, _ bool) error {
	if !single {
		if files == nil {
			files = []status.File{}
		}
		return t.show(w, list{APIVersion: "v1", Kind: "List", Items: files})
	}
	for _, f := range files {
		if err := t.show(w, f); err != nil {
			return err
		}
	}
	return nil
}

func (t pathTemplate) show(w io.Writer, value any) error {
	object, err := content(value)
	if err != nil {
		return err
	}
	path, err := parsePath(string(t))
	if err == nil {
		err = path.Execute(w, object)
	}
	if err != nil {
		return fmt.Errorf("-o jsonpath: %w", err)
	}
	return nil
}

// columnTemplate prints a line for each object.
type columnTemplate []templateColumn

type templateColumn struct{ name, path string }

func (t columnTemplate) print(w io.Writer, files []status.File, _, headers bool) error {
	table := printers.GetNewTabWriter(w)
	if headers {
		var names []string
		for _, c := range t {
			names = append(names, c.name)
		}
		fmt.Fprintln(table, strings.Join(names, "\t"))
	}
	for _, f := range files {
		object, err := content(f)
		if err != nil {
			return err
		}
		var cells []string
		for _, c := range t {
			cell, err := c.cell(object)
			if err != nil {
				return fmt.Errorf("-o custom-columns: %s: %w", c.name, err)
			}
			cells = append(cells, cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// cell returns what the path finds in an object as kubectl prints it: "<none>" for
// nothing, commas between several.
func (c templateColumn) cell(object map[string]any) (string, error) {
	path, err := parsePath(c.path)
	if err != nil {
		return "", err
	}
	results, err := path.FindResults(object)
	if err != nil {
		return "", err
	}
	var values []string
	for _, result := range results {
		for _, value := range result {
			values = append(values, printers.EscapeTerminal(fmt.Sprint(value.Interface())))
		}
	}
	if len(values) == 0 {
		return "<none>", nil
	}
	return strings.Join(values, ","), nil
}
