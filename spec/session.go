package spec

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Session is one disposable root, grown from a chroot.
type Session struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec SessionSpec `json:"spec"`
}

// SessionSpec says what the session is grown from and how it lives.
// +kubebuilder:validation:ExactlyOneOf=chrootRef;chroot
// +kubebuilder:validation:XValidation:rule="!has(self.chroot) || !has(self.chroot.source.plain) || !has(self.profileRef) && !has(self.profile) && (!has(self.hookEnvironment) || size(self.hookEnvironment) == 0)",message="a plain chroot is used as it is; use source directory for mounts, files and hooks"
// +kubebuilder:validation:XValidation:rule="!has(self.chroot) || !has(self.chroot.aliases) || size(self.chroot.aliases) == 0",message="a session's own chroot has no other names"
// +kubebuilder:validation:XValidation:rule="!has(self.save) || self.save == 0 || has(self.openSource) && self.openSource",message="only what was written into a source is saved; set openSource: true"
type SessionSpec struct {
	// ChrootRef names a Chroot, by its name or one of its aliases; or else chroot is
	// written here.
	ChrootRef *Reference `json:"chrootRef,omitempty"`
	// Chroot is a chroot of this session's own, instead of chrootRef.
	Chroot *ChrootSpec `json:"chroot,omitempty"`
	// ProfileRef names a profile to use instead of the chroot's.
	// +kubebuilder:validation:XValidation:rule="self.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="name must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most"
	ProfileRef *Reference `json:"profileRef,omitempty"`
	// Profile is added to the profile; a mount replaces one with the same target.
	Profile *ProfileSpec `json:"profile,omitempty"`
	// OpenSource opens the chroot's source itself for writing, instead of growing
	// from it, while no other session stands on it.
	OpenSource bool `json:"openSource,omitempty"`
	// Save is raised to have what was written into an archive that is open packed
	// into the archive's place.
	// +kubebuilder:validation:Minimum=0
	Save int `json:"save,omitempty"`
	// TTL is how long the session lives after it was admitted, such as 90m or 24h; for
	// ever if unset.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be longer than nothing; leave it out for ever"
	// +kubebuilder:validation:MaxLength=64
	TTL *metav1.Duration `json:"ttl,omitempty"`
	// IdleTimeout is how long the session lives while nobody is inside, such as 30m;
	// for ever if unset.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be longer than nothing; leave it out for ever"
	// +kubebuilder:validation:MaxLength=64
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`
	// RetainOnFailure keeps a session that lasts as long as the process that asked
	// for it (as coppice run does) when that is gone, if its command failed.
	RetainOnFailure bool `json:"retainOnFailure,omitempty"`
	// Expose says what of the session is seen on the host: its root (the default), the
	// root with all mounts in it, or nothing.
	Expose Expose `json:"expose,omitempty"`
	// DeletionPolicy says what becomes of those inside when the session goes: they are
	// ended (the default), or waited for.
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// GracePeriod is the time between TERM and KILL; 5s if unset.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^(\+?0|\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	GracePeriod *metav1.Duration `json:"gracePeriod,omitempty"`
	// UpdateStrategy says what becomes of a change that a running session cannot take:
	// it is told of (OnDelete, the default), or the session is made anew, and what was
	// written in it is lost.
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitempty"`
	// DriftPolicy says what becomes of what others have changed about the session: it
	// is put right (the default), or told of.
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`
	// Suspend leaves the session as it is, whatever its manifests say and whatever
	// becomes of it: nothing is made, repaired or ended before it is taken out.
	Suspend bool `json:"suspend,omitempty"`
	// User is who commands run as when nobody is asked for; whoever runs them, if
	// unset.
	User Person `json:"user,omitempty"`
	// Environment is added to the chroot's.
	Environment *Environment `json:"environment,omitempty"`
	// HookEnvironment goes before the chroot's, variable by variable.
	HookEnvironment map[string]Word `json:"hookEnvironment,omitempty"`
	// Isolation goes before the chroot's, field by field.
	Isolation *Isolation `json:"isolation,omitempty"`
	// Limits go before the chroot's, field by field.
	Limits *Limits `json:"limits,omitempty"`
}

// Expose says what of a session is seen on the host.
// +kubebuilder:validation:Enum=Root;Tree;None
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
// +kubebuilder:validation:Enum=Terminate;Wait
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionTerminate sends TERM and, after the grace period, KILL.
	DeletionTerminate DeletionPolicy = "Terminate"
	// DeletionWait waits until the last process has left.
	DeletionWait DeletionPolicy = "Wait"
)

// DriftPolicy says what becomes of what others have changed about a session: a mount
// that somebody has taken away, a file that was replaced.
// +kubebuilder:validation:Enum=Repair;Report
type DriftPolicy string

// The drift policies.
const (
	// DriftRepair puts it right at once.
	DriftRepair DriftPolicy = "Repair"
	// DriftReport tells of it in the status and leaves it, until the manifest changes
	// or somebody asks for it (ReconcileAtAnnotation). What the host itself has lost,
	// by a reboot, is always made again.
	DriftReport DriftPolicy = "Report"
)

// ReconcileAtAnnotation has a session looked at right away, and drift repaired whatever
// the policy, each time that its value changes; a time, as a rule. The value that was
// heeded last is in the status.
const ReconcileAtAnnotation = "coppice.dev/reconcile-at"

// UpdateStrategy says what becomes of a change that a running session cannot take.
// +kubebuilder:validation:Enum=OnDelete;Recreate
type UpdateStrategy string

// The update strategies.
const (
	// UpdateOnDelete reports the change and leaves the session as it is.
	UpdateOnDelete UpdateStrategy = "OnDelete"
	// UpdateRecreate ends the session and makes it anew, writes included.
	UpdateRecreate UpdateStrategy = "Recreate"
)
