package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// inputFlags say which manifests a command is about.
type inputFlags struct {
	names     []string
	recursive bool
}

// flag adds -f and -R to a command.
func (i *inputFlags) flag(cmd *cobra.Command, use string) {
	cmd.Flags().StringArrayVarP(&i.names, "file", "f", nil, use+"file, folder, or - for standard input; may be given more than once")
	cmd.Flags().BoolVarP(&i.recursive, "recursive", "R", false, "read the folders below those folders too")
}

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
func (c *cli) readInputs(from inputFlags) ([]input, error) {
	var list []input
	for _, name := range from.names {
		paths, folder, err := expand(name, from.recursive)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			in := input{name: shown(path)}
			if folder && !isRegular(path) { // it might block
				in.problems = []spec.Problem{{File: path, Message: "it is no regular file, and was not opened"}}
				list = append(list, in)
				continue
			}
			text, err := c.readInput(path)
			if err != nil {
				return nil, err
			}
			in.documents, in.problems = spec.Parse(in.name, text)
			list = append(list, in)
		}
	}
	return list, nil
}

// expand returns the manifests that a name stands for, and whether it is a folder's.
func expand(name string, recursive bool) (paths []string, folder bool, err error) {
	if name == "-" {
		return []string{name}, false, nil
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("there is no file or folder %s", name)
	}
	if err != nil {
		return nil, false, err
	}
	if !info.IsDir() {
		return []string{name}, false, nil
	}
	if paths, err = manifestsIn(name, recursive); err != nil {
		return nil, true, err
	}
	if len(paths) == 0 {
		hint := ""
		if !recursive {
			hint = "; with -R those in folders below it are read too"
		}
		return nil, true, fmt.Errorf("there is no manifest in %s; their names end in .yaml, .yml or .json%s", name, hint)
	}
	return paths, true, nil
}

// manifestsIn returns the manifests in a folder, in the order of their paths. Folders
// that are hidden, such as .git, are left out.
func manifestsIn(folder string, recursive bool) (paths []string, err error) {
	root := folder + string(filepath.Separator) // a link to a folder is followed by that
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == root:
			return nil
		case entry.IsDir() && (!recursive || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case !entry.IsDir() && manifests.Considered(entry.Name()):
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() // what is wrong otherwise is told by who opens it
}

// readInput reads what a manifest may have, and one byte more.
func (c *cli) readInput(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(c.in, spec.MaxSize+1))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, spec.MaxSize+1))
}

func shown(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// report says what is wrong with the manifests, each by itself and together, and counts
// it.
func (c *cli) report(inputs []input) int {
	found, _ := judge(inputs, spec.References{})
	for _, p := range found {
		fmt.Fprintln(c.errOut, p)
	}
	return len(found)
}

// judge returns what is wrong with the manifests, each by itself and together, and what
// may be. known is what they may name besides each other.
func judge(inputs []input, known spec.References) (problems, warnings []spec.Problem) {
	var all []spec.Manifest
	for _, in := range inputs {
		problems = append(problems, in.problems...)
		all = append(all, spec.Manifest{File: in.name, Documents: in.documents})
	}
	together, warnings := spec.Together(all, known)
	return append(problems, together...), warnings
}

// asked returns what manifests ask for; all that is wrong with them is said.
func (c *cli) asked(from inputFlags) ([]spec.Object, error) {
	inputs, err := c.readInputs(from)
	if err != nil {
		return nil, err
	}
	if c.report(inputs) > 0 {
		return nil, errProblems
	}
	return objects(inputs)
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
