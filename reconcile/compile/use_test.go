package compile_test

import (
	"testing"

	"coppice.dev/reconcile/compile"
)

func TestPlacesMeet(t *testing.T) {
	at := func(path string, device, inode uint64) compile.Place {
		return compile.Place{Path: path, Device: device, Inode: inode}
	}
	for _, row := range []struct {
		name string
		a, b compile.Place
		want bool
	}{
		{"the same path", at("/srv/a", 0, 0), at("/srv/a", 0, 0), true},
		{"one bound elsewhere", at("/srv/a", 1, 2), at("/mnt/b", 1, 2), true},
		{"another of the same number on another disk", at("/srv/a", 1, 2), at("/mnt/b", 2, 2), false},
		{"nobody knows their numbers", at("/srv/a", 0, 0), at("/srv/b", 0, 0), false},
		{"below", at("/srv/a", 1, 2), at("/srv/a/b", 1, 3), true},
		{"no more than a like name", at("/srv/a", 1, 2), at("/srv/ab", 1, 3), false},
		{"the same path, replaced since", at("/srv/a", 1, 2), at("/srv/a", 1, 3), true},
		{"the host's root", at("/", 1, 2), at("/srv/a", 1, 3), false},
		{"the host's root itself", at("/", 1, 2), at("/", 1, 2), false},
	} {
		if got := row.a.Meets(row.b); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
		if got := row.b.Meets(row.a); got != row.want {
			t.Errorf("%s, the other way round: %v, want %v", row.name, got, row.want)
		}
	}
}
