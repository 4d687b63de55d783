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
	case seen.Kind == object.KindQuota:
		return k.quotaUsage(context.Background(), seen.Owner.Name)
	case seen.Kind != object.KindUpper && seen.Kind != object.KindTree, seen.Name == k.layout.StoredUpper(seen.Owner.Name), seen.Name == k.layout.LayerUpper(seen.Owner.Name):
		return 0
	}
	return usage(context.Background(), seen.Name)
}

// quotaUsage is how much a session's layer holds that a quota limits: what the file
// system has counted. One that is not counted any more is walked through.
func (k *Kernel) quotaUsage(ctx context.Context, session string) int64 {
	if size, counted := k.quotas.Usage(session); counted {
		return size
	}
	return usage(ctx, k.layout.Layer(session))
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
