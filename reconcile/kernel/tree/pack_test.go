package tree_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"coppice.dev/reconcile/object"
)

// TestPackingIsTold packs a tree again: it tells how far it is, and what it tells to be all
// of it is about what is packed.
func TestPackingIsTold(t *testing.T) {
	o := open(t, pack(t, model(t), "tar"))
	must(t, os.WriteFile(filepath.Join(o.Spec.(object.Tree).Path, "more"), bytes.Repeat([]byte("more"), 5<<20), 0o644))
	var last, total int64
	o.Progress = func(_ object.ID, done, of int64) {
		if done < last || done > of || total != 0 && of != total {
			t.Errorf("%d of %d after %d of %d", done, of, last, total)
		}
		last, total = done, of
	}
	must(t, o.save(1))
	info, err := os.Stat(o.archive)
	must(t, err)
	if last == 0 || total < info.Size()*9/10 || total > info.Size()*11/10 {
		t.Errorf("told %d of %d, and the archive has %d", last, total, info.Size())
	}
}
