package kernel

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/object"
)

// Usage returns how much of the disk an object holds by itself, in bytes: 0 for
// what lies in memory or shares its space with others.
func (k *Kernel) Usage(seen object.Observed) int64 {
	switch {
	case seen.Kind == object.KindStore:
		return k.stores.Usage(seen.Owner.Name)
	case seen.Kind != object.KindUpper && seen.Kind != object.KindTree, seen.Name == k.layout.StoredUpper(seen.Owner.Name):
		return 0
	}
	return usage(context.Background(), seen.Name)
}

// Trash returns the names of what is in the trash, and how much of the disk that
// holds, in bytes.
func (k *Kernel) Trash() ([]string, int64) {
	entries, err := os.ReadDir(k.layout.Trash())
	if err != nil {
		return nil, 0 // emptying it will tell
	}
	var names []string
	var size int64
	for _, e := range entries {
		names = append(names, e.Name())
		size += usage(context.Background(), filepath.Join(k.layout.Trash(), e.Name()))
	}
	return names, size
}

// usage adds up what is below a path, on its own file system, and without a word
// about what cannot be looked at: it is a figure for people. It ends with the context.
func usage(ctx context.Context, path string) int64 {
	var top unix.Stat_t
	if unix.Lstat(path, &top) != nil {
		return 0
	}
	var sum int64
	linked := map[uint64]bool{}
	_ = filepath.WalkDir(path, func(at string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		var st unix.Stat_t
		if err != nil || unix.Lstat(at, &st) != nil {
			return nil //nolint:nilerr // what is gone or cannot be read counts nothing
		}
		if st.Dev != top.Dev && e.IsDir() {
			return fs.SkipDir
		}
		if st.Nlink > 1 && !e.IsDir() {
			if linked[st.Ino] {
				return nil
			}
			linked[st.Ino] = true
		}
		sum += st.Blocks * 512 // the unit of st_blocks, whatever the file system's is
		return nil
	})
	return sum
}
