package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/go-logr/logr"
)

// notify tells the service manager something, if there is one that listens.
func notify(log logr.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.V(1).Info("Telling the service manager failed", "state", state, "error", err.Error())
	}
}

// notifyStatus tells the service manager one line for people to read.
func notifyStatus(log logr.Logger, format string, args ...any) {
	notify(log, "STATUS="+fmt.Sprintf(format, args...))
}

// watchdog tells the service manager that the controller is alive, twice as
// often as asked for, as long as alive says so. It returns when ctx is done.
func watchdog(ctx context.Context, log logr.Logger, alive func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Error(err, "Reading the watchdog's interval failed; there will be no keep-alive messages")
	}
	if err != nil || interval <= 0 {
		return
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if alive() {
			notify(log, daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
