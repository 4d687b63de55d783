package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// input is a manifest as it was given on the command line.
type input struct {
	name      string
	documents []spec.Document
	problems  []spec.Problem
}

// errProblems ends a command whose manifests have problems; all of them have
// been said by then.
var errProblems = &codeError{code: exitFailure}

// readInputs reads manifests: files, folders, or "-" for standard input.
func (c *cli) readInputs(names []string) ([]input, error) {
	var list []input
	for _, name := range names {
		paths, err := expand(name)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			text, err := c.readInput(path)
			if err != nil {
				return nil, err
			}
			in := input{name: path}
			in.documents, in.problems = spec.Parse(shown(path), text)
			list = append(list, in)
		}
	}
	return list, nil
}

// expand returns the manifests that a name stands for.
func expand(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file or folder %s", name)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if manifests.Considered(e.Name()) {
			paths = append(paths, filepath.Join(name, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there is no manifest in %s; their names end in .yaml, .yml or .json", name)
	}
	return paths, nil
}

func (c *cli) readInput(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(c.in, spec.MaxSize+1))
	}
	return os.ReadFile(path)
}

func shown(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// report says what is wrong with the manifests, and counts it.
func (c *cli) report(inputs []input) int {
	count := 0
	for _, in := range inputs {
		for _, p := range in.problems {
			fmt.Fprintln(c.errOut, p)
			count++
		}
	}
	return count
}

// objects returns what the manifests ask for; there must be something.
func objects(inputs []input) ([]spec.Object, error) {
	var list []spec.Object
	for _, in := range inputs {
		for _, d := range in.documents {
			if d.Object != nil {
				list = append(list, d.Object)
			}
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is nothing in these manifests")
	}
	return list, nil
}
