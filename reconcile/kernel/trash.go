package kernel

import (
	"context"
	"time"

	"coppice.dev/reconcile/kernel/rmtree"
)

// retry is when what could not be removed is tried again.
const retry = time.Minute

// poke says that there is something in the trash. It does not block.
func (k *Kernel) poke() {
	select {
	case k.trashed <- struct{}{}:
	default: // somebody has said so already
	}
}

// EmptyTrash removes what is in the trash now, left from an earlier process or
// not.
func (k *Kernel) EmptyTrash(ctx context.Context) error {
	if err := k.present(); err != nil {
		return err // what is called so in another folder is not ours to empty
	}
	return rmtree.Empty(ctx, k.layout.Trash())
}

// TendTrash empties the trash whenever something is put into it, until the
// context ends, when nobody else wants the disk. Errors are reported, and tried
// again; nil is reported when it is empty after all.
func (k *Kernel) TendTrash(ctx context.Context, report func(error)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.trashed:
		case <-timer.C:
		}
		err := quietly(func() error { return k.EmptyTrash(ctx) })
		if ctx.Err() != nil {
			return
		}
		if err != nil || failed {
			report(err)
		}
		if failed = err != nil; failed {
			timer.Reset(retry)
		}
	}
}
