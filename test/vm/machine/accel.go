package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/test/vm/wire"
)

// How the processor is made.
const (
	AccelKVM = "kvm" // by the hardware
	AccelTCG = "tcg" // by translating its code, ten times slower or more
)

// probing is how long a machine with hardware's help may take to say its first
// word; it takes one second where that works.
const probing = 15 * time.Second

// Accel says which of the two works here. A /dev/kvm that can be opened proves
// nothing: inside some virtual machines the guest hangs at its first instruction.
// So one is started, once per start of the host, and the answer is kept.
func Accel(ctx context.Context, image Image, guest string) (string, error) {
	if usable := unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) == nil; !usable {
		return AccelTCG, nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	kept := filepath.Join(image.folder, "accel")
	if text, err := os.ReadFile(kept); err == nil {
		if accel, found := strings.CutPrefix(string(text), string(boot)); found {
			return accel, nil
		}
	}
	accel := AccelTCG
	if starts(ctx, image, guest) {
		accel = AccelKVM
	}
	if err := os.WriteFile(kept, append(boot, accel...), 0o644); err != nil {
		return "", fmt.Errorf("keep which accelerator works: %w", err)
	}
	return accel, ctx.Err()
}

// starts says whether a machine does anything with the help of the hardware.
func starts(ctx context.Context, image Image, guest string) bool {
	started := false
	limited, cancel := context.WithTimeoutCause(ctx, probing, errors.New("no sign of life"))
	defer cancel()
	err := Run{
		Image: image, Guest: guest, Accel: AccelKVM, ScratchMegabytes: 64,
		Said: func(m wire.Message) { started = started || m.Hello != nil },
	}.Do(limited)
	return started && err == nil
}
