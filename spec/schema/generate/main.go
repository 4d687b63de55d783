// Command generate writes the JSON Schemas beside the CustomResourceDefinitions that
// they are derived from, or the reference of all fields of manifests. It is run by `make generate`, after controller-gen:
//
//	generate FOLDER
//	generate -reference FILE
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"coppice.dev/spec/schema"
	"coppice.dev/spec/schema/derive"
)

func main() {
	run := generate
	if len(os.Args) == 3 && os.Args[1] == "-reference" {
		run = reference
	}
	if err := run(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate reads the folder crd of a folder, and writes its folder json.
func generate(folder string) error {
	var all [][]byte
	for _, kind := range schema.Kinds() {
		crd, err := os.ReadFile(filepath.Join(folder, "crd", schema.CRDFileName(kind)))
		if err != nil {
			return err
		}
		text, err := derive.JSON(crd)
		if err != nil {
			return err
		}
		all = append(all, text)
		if err := write(folder, kind, text); err != nil {
			return err
		}
	}
	text, err := derive.Any(all...)
	if err != nil {
		return err
	}
	return write(folder, "", text)
}

func write(folder, kind string, text []byte) error {
	path := filepath.Join(folder, "json", schema.FileName(kind))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// reference writes the reference of all fields.
func reference(path string) error {
	text, err := schema.Reference()
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
