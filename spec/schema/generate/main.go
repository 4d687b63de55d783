// Command generate writes the JSON Schemas beside the CustomResourceDefinitions that
// they are derived from. It is run by `make generate`, after controller-gen.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"coppice.dev/spec/schema"
	"coppice.dev/spec/schema/derive"
)

func main() {
	if err := generate(os.Args[1]); err != nil {
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
