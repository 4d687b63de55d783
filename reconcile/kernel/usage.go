package kernel

import (
	"context"
	"os"
	"path/filepath"

	"coppice.dev/reconcile/kernel/meter"
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

// usage is a figure for people: what cannot be looked at counts nothing. It ends with the
// context.
func usage(ctx context.Context, path string) int64 {
	size, _ := meter.Disk(ctx, path)
	return size
}
