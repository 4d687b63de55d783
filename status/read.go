package status

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

// Read returns the status of one object. If there is none the error is
// fs.ErrNotExist.
func Read(dir, kind, name string) (File, error) {
	return readFile(Path(dir, kind, name))
}

// List returns the status of all objects of a kind, by name. A folder that is
// not there holds none, and a file that vanishes meanwhile is left out. With an
// error the list holds what could be read.
func List(dir, kind string) ([]File, error) {
	all, err := names(folder(dir, kind), os.ReadDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list status of %s: %w", kind, err)
	}
	var files []File
	var failures []error
	for _, name := range all {
		if !visible(name) {
			continue
		}
		file, err := readFile(filepath.Join(folder(dir, kind), name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failures = append(failures, err)
		default:
			files = append(files, file)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	return files, errors.Join(failures...)
}

func readFile(path string) (File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("read status: %w", err)
	}
	return parse(path, text)
}

func parse(path string, text []byte) (File, error) {
	var file File
	if err := yaml.Unmarshal(text, &file); err != nil {
		return File{}, fmt.Errorf("read status %s: %w", path, err)
	}
	if file.Kind == "" || file.Metadata.Name == "" {
		return File{}, fmt.Errorf("read status %s: it has no kind or no name", path)
	}
	return file, nil
}
