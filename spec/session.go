package spec

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Session is one disposable root, grown from a chroot.
type Session struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec SessionSpec `json:"spec"`
}

// SessionSpec says what the session is grown from and how it lives.
type SessionSpec struct {
	// ChrootRef names a Chroot, or one of its aliases; or Chroot.
	ChrootRef *Reference `json:"chrootRef,omitempty"`
	// Chroot is a chroot of this session's own.
	Chroot *ChrootSpec `json:"chroot,omitempty"`
	// ProfileRef names a profile to use instead of the chroot's.
	ProfileRef *Reference `json:"profileRef,omitempty"`
	// Profile is added to the profile; a mount replaces one with the same target.
	Profile *ProfileSpec `json:"profile,omitempty"`
	// OpenSource opens the chroot's source itself for writing, instead of growing
	// from it, while no other session stands on it.
	OpenSource bool `json:"openSource,omitempty"`
	// Save is raised to have what was written into an archive that is open packed
	// into the archive's place.
	Save int `json:"save,omitempty"`
	// TTL is how long the session lives after it was admitted; for ever if unset.
	TTL *metav1.Duration `json:"ttl,omitempty"`
	// IdleTimeout is how long the session lives while nobody is inside; for ever if
	// unset.
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`
	// RetainOnFailure keeps a session that lasts as long as the process that asked
	// for it (ClientAnnotation) when that is gone, if its command failed.
	RetainOnFailure bool `json:"retainOnFailure,omitempty"`
	// Expose says what of the session is seen on the host.
	Expose Expose `json:"expose,omitempty"`
	// DeletionPolicy says what becomes of those inside when the session goes.
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// GracePeriod is the time between TERM and KILL; 5s if unset.
	GracePeriod *metav1.Duration `json:"gracePeriod,omitempty"`
	// UpdateStrategy says what becomes of a change that a running session cannot take.
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitempty"`
	// User is who commands run as when nobody is asked for.
	User string `json:"user,omitempty"`
	// Environment is added to the chroot's.
	Environment *Environment `json:"environment,omitempty"`
	// HookEnvironment goes before the chroot's, variable by variable.
	HookEnvironment map[string]string `json:"hookEnvironment,omitempty"`
	// Isolation goes before the chroot's, field by field.
	Isolation *Isolation `json:"isolation,omitempty"`
	// Limits go before the chroot's, field by field.
	Limits *Limits `json:"limits,omitempty"`
}

// Expose says what of a session is seen on the host.
type Expose string

// What may be seen of a session below the run-time folder.
const (
	// ExposeRoot shows the root without the session's mounts.
	ExposeRoot Expose = "Root"
	// ExposeTree shows the root with all of the session's mounts.
	ExposeTree Expose = "Tree"
	// ExposeNone shows nothing.
	ExposeNone Expose = "None"
)

// DeletionPolicy says what becomes of processes inside a session that goes.
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionTerminate sends TERM and, after the grace period, KILL.
	DeletionTerminate DeletionPolicy = "Terminate"
	// DeletionWait waits until the last process has left.
	DeletionWait DeletionPolicy = "Wait"
)

// UpdateStrategy says what becomes of a change that a running session cannot take.
type UpdateStrategy string

// The update strategies.
const (
	// UpdateOnDelete reports the change and leaves the session as it is.
	UpdateOnDelete UpdateStrategy = "OnDelete"
	// UpdateRecreate ends the session and makes it anew, writes included.
	UpdateRecreate UpdateStrategy = "Recreate"
)
