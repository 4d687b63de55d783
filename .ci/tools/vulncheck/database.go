package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module holds all reports, as files in OSV's format, of which govulncheck takes a folder.
const (
	module  = "golang.org/x/vulndb"
	reports = "data/osv"
)

// locate returns the folder of the newest reports that can be had. Where there is no
// network it is the newest that was fetched before, and that is said.
func locate(ctx context.Context) (string, error) {
	fetched, err := fetch(ctx)
	if err == nil {
		return filepath.Join(fetched, reports), nil
	}
	cache, cacheErr := exec.CommandContext(ctx, "go", "env", "GOMODCACHE").Output()
	if cacheErr != nil {
		return "", errors.Join(err, fmt.Errorf("ask go where modules are kept: %w", cacheErr))
	}
	kept, globErr := filepath.Glob(filepath.Join(strings.TrimSpace(string(cache)), module+"@*"))
	if globErr != nil || len(kept) == 0 {
		return "", err
	}
	newest := slices.Max(kept) // their versions begin with the date
	fmt.Fprintf(os.Stderr, "vulncheck: %v\nvulncheck: going on with %s\n", err, filepath.Base(newest))
	return filepath.Join(newest, reports), nil
}

// fetch has go download the newest version of the module. It is asked from outside of
// any module, so that nobody comes to depend on it.
func fetch(ctx context.Context) (string, error) {
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@latest")
	download.Dir = os.TempDir()
	out, err := download.Output()
	var answer struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &answer); err == nil && decodeErr != nil {
		err = decodeErr
	}
	if err != nil || answer.Error != "" {
		return "", fmt.Errorf("fetch the reports (%s): %w", module, errors.Join(err, errors.New(answer.Error)))
	}
	return answer.Dir, nil
}
