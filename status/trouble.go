package status

import (
	"errors"
	"strings"

	"coppice.dev/reconcile/fault"
)

// longestMessage keeps a message far below the 32768 bytes that Kubernetes
// allows a condition.
const longestMessage = 4096

// Explain returns the reason and the message for an error: what was tried, what
// went wrong, who is in the way, what to do next, and what a program said.
func Explain(err error) Note {
	err = fault.Known(err)
	message := err.Error()
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Output != "" {
		message += "\n" + strings.TrimSpace(f.Output)
	}
	if len(message) > longestMessage {
		message = strings.ToValidUTF8(message[:longestMessage], "") + "…"
	}
	return Note{string(fault.ReasonOf(err)), message}
}

// NeedsPerson reports whether an error stays until somebody changes something.
// Other errors may go by themselves: a disk is freed, a process ends, a hook
// that needs the network finds it.
func NeedsPerson(err error) bool {
	switch fault.ReasonOf(err) {
	case fault.SourceMissing, fault.SourceUnusable, fault.WrongFileSystem, fault.ToolMissing,
		fault.KernelTooOld, fault.TargetUnusable, fault.ArchiveBroken:
		return true
	default:
		return false
	}
}
