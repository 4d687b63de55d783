package wire

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// MaxPlan is the same as MaxBody for what asks for a plan: all manifests of a host.
const MaxPlan = 64 << 20

// List is several objects.
type List struct {
	Items []status.File `json:"items"`
}

// Change is one line of a watch.
type Change struct {
	// Kind and Name name the object.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Object is what it is now; nil when it is gone.
	Object *status.File `json:"object,omitempty"`
}

// Begin asks for a session of one's own. It is ephemeral: a reboot sweeps it.
type Begin struct {
	// Name is the session's; empty to have one chosen.
	Name string `json:"name,omitempty"`
	// Chroot is the name or an alias of a chroot; or Folder, which only root may.
	Chroot string `json:"chroot,omitempty"`
	// Folder is a folder of the host to grow from.
	Folder string `json:"folder,omitempty"`
	// Source opens the chroot's source, or the folder, itself for writing.
	Source bool `json:"source,omitempty"`
	// Profile is used instead of the chroot's; only root may.
	Profile string `json:"profile,omitempty"`
	// Bound ends it together with the process that asks.
	Bound bool `json:"bound,omitempty"`
	// RetainOnFailure keeps it then if its command failed.
	RetainOnFailure bool `json:"retainOnFailure,omitempty"`
	// IdleTimeout ends it when nobody was inside for that long.
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`
	// TTL ends it by itself.
	TTL *metav1.Duration `json:"ttl,omitempty"`
	// Expose says what of it the host sees; its root without its mounts if empty.
	Expose spec.Expose `json:"expose,omitempty"`
	// HookEnvironment are variables for its hooks, those that the chroot lets be set.
	HookEnvironment map[string]string `json:"hookEnvironment,omitempty"`
	// Labels and Annotations are put on it. Annotations of the domain coppice.dev
	// are the daemon's.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Saved is the answer to a request to save: it is done when the session's status
// says so often that it was saved.
type Saved struct {
	Save int `json:"save"`
}
