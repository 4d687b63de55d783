package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// File is the content of a status file: the object without its spec.
type File struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        Metadata `json:"metadata"`
	Status          Status   `json:"status"`
}

// Metadata is the part of the object's metadata that is known of it.
type Metadata struct {
	Name string `json:"name"`
	// UID is new for every object that is made under a name.
	UID string `json:"uid,omitempty"`
	// Generation counts the specs seen, from 1.
	Generation int64 `json:"generation,omitempty"`
	// DeletionTimestamp is since when it is being taken down for good; those who read
	// objects as kstatus does tell by it alone that it goes.
	DeletionTimestamp *metav1.Time      `json:"deletionTimestamp,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
}

// Phase sums an object up for people; machines read the conditions.
type Phase string

// The phases.
const (
	Pending      Phase = "Pending"      // something it needs is not there yet
	Provisioning Phase = "Provisioning" // it is being made
	Ready        Phase = "Ready"        // it is as wanted
	Degraded     Phase = "Degraded"     // it can be used, but something is wrong with it
	Terminating  Phase = "Terminating"  // it is being taken down
	Failed       Phase = "Failed"       // it could not be made; tried again with back-off
	Suspended    Phase = "Suspended"    // it is left as it is, since somebody said so
	Expired      Phase = "Expired"      // its time to live is over; only its manifest is left
)

// Phases returns all phases.
func Phases() []Phase {
	return []Phase{Pending, Provisioning, Ready, Degraded, Terminating, Failed, Suspended, Expired}
}

// The condition types.
const (
	// ConditionReady is True when commands may be run in a session, or when a
	// chroot or profile may be used.
	ConditionReady = "Ready"
	// ConditionReconciling is True while work is under way or will be tried again.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when only a change by a person can help.
	ConditionStalled = "Stalled"
	// ConditionUpToDate is False when the session runs with an older spec than
	// its manifests now say.
	ConditionUpToDate = "UpToDate"
	// ConditionSuspended is True while a session is left as it is since somebody said
	// so.
	ConditionSuspended = "Suspended"
)

// Status is what is known of one object.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Phase              Phase              `json:"phase"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	// Source is where the object's manifest was read from.
	Source *Source `json:"source,omitempty"`
	// SpecHash tells one spec from another; it is how Generation counts.
	SpecHash string `json:"specHash,omitempty"`
	// Problems are what is wrong with the manifest, one line each.
	Problems []string `json:"problems,omitempty"`

	// Chroot and Profile are what a session was admitted with.
	Chroot  string `json:"chroot,omitempty"`
	Profile string `json:"profile,omitempty"`
	// Owner is who began a session over the socket; empty if it was not begun so.
	Owner string `json:"owner,omitempty"`
	// Root is where the host sees a session's root; empty if it is not exposed.
	Root string `json:"root,omitempty"`
	// Namespace is the pin of a session's mount namespace, for setns(2).
	Namespace string `json:"namespace,omitempty"`
	// Admitted and Expires are when a session began and when its ttl ends.
	Admitted *metav1.Time `json:"admitted,omitempty"`
	Expires  *metav1.Time `json:"expires,omitempty"`
	// IdleSince is since when nobody is inside a session with an idle timeout, and
	// IdleUntil when that ends it.
	IdleSince *metav1.Time `json:"idleSince,omitempty"`
	IdleUntil *metav1.Time `json:"idleUntil,omitempty"`
	// Step is what is being done right now, and since when.
	Step *Step `json:"step,omitempty"`
	// NextRetry is when a failed session is tried again.
	NextRetry *metav1.Time `json:"nextRetry,omitempty"`
	// Objects are what was made, in the order of making; shared bases first.
	Objects []Object `json:"objects,omitempty"`
	// Sessions are the names of those that use a chroot or a profile.
	Sessions []string `json:"sessions,omitempty"`
	// Folder is set for a watched folder.
	Folder *Folder `json:"folder,omitempty"`
	// LastHandledReconcileAt is the value of the annotation coppice.dev/reconcile-at
	// that was heeded last.
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// OpenSource is set for a session that writes to its chroot's source itself,
	// and OpenedBy is that session's name, for the chroot.
	OpenSource bool   `json:"openSource,omitempty"`
	OpenedBy   string `json:"openedBy,omitempty"`
	// Archive is the archive that such a session has unpacked, and Saved how often
	// it was packed into its place again.
	Archive string `json:"archive,omitempty"`
	Saved   int    `json:"saved,omitempty"`
	// Blockers are those that keep what has to be done from being done.
	Blockers []Blocker `json:"blockers,omitempty"`
	// Advice is what to do about what is wrong; empty if that is not known.
	Advice string `json:"advice,omitempty"`
	// Leases are those inside a session.
	Leases []Lease `json:"leases"`
	// Events are the last things that happened, oldest first.
	Events []Event `json:"events,omitempty"`
}

// Source is a place in a manifest.
type Source struct {
	Manifest string `json:"manifest"`
	Document int    `json:"document,omitempty"` // from 1
	Line     int    `json:"line,omitempty"`     // of the document's first line, from 1
	// Revision is the commit in which the spec, as it is now, was seen first, if the
	// manifest lies in a checkout of Git.
	Revision string `json:"revision,omitempty"`
}

// Folder is what is known of a watched folder.
type Folder struct {
	// Manifests counts its files, Objects what they ask for.
	Manifests int `json:"manifests"`
	Objects   int `json:"objects"`
	// Refused counts those of the objects whose manifests have problems.
	Refused int `json:"refused,omitempty"`
	// Revision is the commit that is checked out there, and RevisionSince since when
	// that is known.
	Revision      string       `json:"revision,omitempty"`
	RevisionSince *metav1.Time `json:"revisionSince,omitempty"`
	// Recursive is set if the folders in it are watched too, Ephemeral if a reboot
	// sweeps away what is in it, Polled if it is looked at from time to time since its
	// file system does not tell of changes.
	Recursive bool `json:"recursive,omitempty"`
	Ephemeral bool `json:"ephemeral,omitempty"`
	Polled    bool `json:"polled,omitempty"`
}

// Step is one step under way.
type Step struct {
	Operation string      `json:"operation"`
	Address   string      `json:"address"`
	Since     metav1.Time `json:"since"`
	// Done and Total are bytes, where progress is known.
	Done  int64 `json:"done,omitempty"`
	Total int64 `json:"total,omitempty"`
}

// Object is one kernel object made for a session.
type Object struct {
	// Owner is set for what is shared: base/KEY.
	Owner   string `json:"owner,omitempty"`
	Address string `json:"address"`
	Kind    string `json:"kind"`
	// Name is what people know it by: /dev/loop3, a path.
	Name string `json:"name,omitempty"`
	// Problem says what is wrong with it, Note what is worth knowing.
	Problem string `json:"problem,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Lease is one process, or command, inside a session.
type Lease struct {
	// ID is set for a command that somebody was let in with; PID is then the
	// oldest of its processes, User who asked for it.
	ID      string      `json:"id,omitempty"`
	PID     int         `json:"pid"`
	User    string      `json:"user,omitempty"`
	Command string      `json:"command,omitempty"`
	Since   metav1.Time `json:"since"`
}

// Blocker is a process that is in the way, or a loop device or a mount.
type Blocker struct {
	PID     int    `json:"pid,omitempty"`
	User    string `json:"user,omitempty"`
	Command string `json:"command,omitempty"`
	// Path is what it holds.
	Path string `json:"path,omitempty"`
	// Free is the command that frees it.
	Free string `json:"free"`
}

// Event is something that happened, with how often it did in a row.
type Event struct {
	Time    metav1.Time `json:"time"`
	Type    string      `json:"type"` // Normal or Warning
	Reason  string      `json:"reason"`
	Message string      `json:"message"`
	Count   int         `json:"count,omitempty"`
}
