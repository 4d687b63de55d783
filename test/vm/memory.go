package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"coppice.dev/test/vm/machine"
)

// What passed is remembered by all that it could depend on: the test's program,
// the commands, the guest, the image, and every file of the module that is no Go.

// keys names the packages' results.
func (k *kit) keys(packages []*one, all bool) error {
	common, err := k.key("tests", strconv.FormatBool(all))
	if err != nil {
		return err
	}
	for _, p := range packages {
		own := sha256.New()
		fmt.Fprintln(own, p.path, p.part, common)
		if err := add(own, p.binary); err != nil {
			return err
		}
		p.key = hex.EncodeToString(own.Sum(nil))
	}
	return nil
}

// key names what the commands do in the guest, when they are called in a way.
func (k *kit) key(way ...string) (string, error) {
	common := sha256.New()
	fmt.Fprintln(common, k.image.Name(), way)
	if err := add(common, k.guest); err != nil {
		return "", err
	}
	for _, folder := range []string{k.commands(), k.module} {
		if err := addFolder(common, folder); err != nil {
			return "", fmt.Errorf("read what tests depend on: %w", err)
		}
	}
	return hex.EncodeToString(common.Sum(nil)), nil
}

func addFolder(to hash.Hash, folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != folder && (entry.Name() == ".git" || path == filepath.Join(folder, "bin")):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || strings.HasSuffix(path, ".go"):
			return nil
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		fmt.Fprintln(to, relative)
		return add(to, path)
	})
}

func add(to hash.Hash, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}

func (k *kit) passed(key string) bool {
	folder, err := passedFolder()
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(folder, key))
	return err == nil
}

// remember notes that the tests passed. If that cannot be kept they run again.
func (k *kit) remember(key string) {
	folder, err := passedFolder()
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, key), nil, 0o644)
	}
	if err != nil {
		say("remember what passed: %v", err)
	}
}

func passedFolder() (string, error) {
	cache, err := machine.CacheFolder()
	return filepath.Join(cache, "passed"), err
}
