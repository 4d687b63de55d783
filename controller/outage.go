package controller

import (
	"sync"

	"github.com/go-logr/logr"

	"coppice.dev/reconcile/fault"
)

// outage knows whether statuses can be written. It is told in the log when that
// begins and when it is over, not for each status: there may be thousands.
type outage struct {
	mu     sync.Mutex
	failed map[string]struct{} // the objects whose status is not what it should be
}

func newOutage() *outage { return &outage{failed: map[string]struct{}{}} }

// note says what came of writing or removing an object's status.
func (o *outage) note(log logr.Logger, name string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := len(o.failed)
	if err == nil {
		if delete(o.failed, name); before == 1 && len(o.failed) == 0 {
			log.Info("Statuses are written again")
		}
		return
	}
	o.failed[name] = struct{}{}
	if err = fault.Known(err); before == 0 {
		log.Error(err, "Statuses cannot be written; sessions are kept all the same, and it is tried again")
	} else {
		log.V(1).Info("This status could not be written either", "error", err.Error())
	}
}
