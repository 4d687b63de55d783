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
	// ObservedGeneration is the metadata.generation that this was found out about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Phase sums the object up for people: Pending, Provisioning, Ready, Degraded,
	// Terminating, Failed, Suspended or Expired. Machines read the conditions.
	Phase Phase `json:"phase"`
	// Conditions say how the object is, each with a reason and a message: Ready,
	// Reconciling, Stalled, UpToDate, Suspended.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Source is where the object's manifest was read from.
	Source *Source `json:"source,omitempty"`
	// SpecHash tells one spec from another; it is how Generation counts.
	SpecHash string `json:"specHash,omitempty"`
	// Problems are what is wrong with the manifest, one line each.
	Problems []string `json:"problems,omitempty"`

	// Chroot is the name of the chroot that a session was admitted with.
	Chroot string `json:"chroot,omitempty"`
	// Profile is the name of the profile that it was admitted with.
	Profile string `json:"profile,omitempty"`
	// Owner is who began a session over the socket; empty if it was not begun so.
	Owner string `json:"owner,omitempty"`
	// Root is where the host sees a session's root; empty if it is not exposed.
	Root string `json:"root,omitempty"`
	// Namespace is the pin of a session's mount namespace, for setns(2).
	Namespace string `json:"namespace,omitempty"`
	// Admitted is when a session began.
	Admitted *metav1.Time `json:"admitted,omitempty"`
	// Expires is when its ttl ends.
	Expires *metav1.Time `json:"expires,omitempty"`
	// IdleSince is since when nobody is inside a session with an idle timeout.
	IdleSince *metav1.Time `json:"idleSince,omitempty"`
	// IdleUntil is when its idle timeout ends it, if nobody comes.
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
	// OpenSource is set for a session that writes to its chroot's source itself.
	OpenSource bool `json:"openSource,omitempty"`
	// OpenedBy is the name of the session that writes to a chroot's source.
	OpenedBy string `json:"openedBy,omitempty"`
	// Archive is the archive that a session has unpacked which writes to its source.
	Archive string `json:"archive,omitempty"`
	// Saved is how often what was written was packed into the archive's place again.
	Saved int `json:"saved,omitempty"`
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
	// Manifest is the path of the file.
	Manifest string `json:"manifest"`
	// Document is the number of the document in it, from 1.
	Document int `json:"document,omitempty"`
	// Line is the number of the document's first line, from 1.
	Line int `json:"line,omitempty"`
	// Revision is the commit in which the spec, as it is now, was seen first, if the
	// manifest lies in a checkout of Git.
	Revision string `json:"revision,omitempty"`
}

// Folder is what is known of a watched folder.
type Folder struct {
	// Manifests counts its files.
	Manifests int `json:"manifests"`
	// Objects counts what they ask for.
	Objects int `json:"objects"`
	// Refused counts those of the objects whose manifests have problems.
	Refused int `json:"refused,omitempty"`
	// Revision is the commit that is checked out there.
	Revision string `json:"revision,omitempty"`
	// RevisionSince is since when that is known.
	RevisionSince *metav1.Time `json:"revisionSince,omitempty"`
	// Recursive is set if the folders in it are watched too.
	Recursive bool `json:"recursive,omitempty"`
	// Ephemeral is set if a reboot sweeps away what is in it.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// Polled is set if it is looked at from time to time, since its file system does
	// not tell of changes.
	Polled bool `json:"polled,omitempty"`
}

// Step is one step under way.
type Step struct {
	// Operation is what is done: Create, Amend, Destroy, or a look.
	Operation string `json:"operation"`
	// Address is the object that it is done to.
	Address string `json:"address"`
	// Since is when it was begun.
	Since metav1.Time `json:"since"`
	// Done is how many bytes of it are done, where that is known.
	Done int64 `json:"done,omitempty"`
	// Total is how many there are.
	Total int64 `json:"total,omitempty"`
}

// Object is one kernel object made for a session.
type Object struct {
	// Owner is set for what is shared: base/KEY.
	Owner string `json:"owner,omitempty"`
	// Address is its place in the order of making.
	Address string `json:"address"`
	// Kind is what it is: Image, Upper, Namespace, Mount.
	Kind string `json:"kind"`
	// Name is what people know it by: /dev/loop3, a path.
	Name string `json:"name,omitempty"`
	// Used is how much of Limit was used when it was last looked at, in bytes.
	Used int64 `json:"used,omitempty"`
	// Limit is how much it can hold, in bytes, if that is limited.
	Limit int64 `json:"limit,omitempty"`
	// Problem says what is wrong with it.
	Problem string `json:"problem,omitempty"`
	// Note says what is worth knowing of it.
	Note string `json:"note,omitempty"`
}

// Lease is one process, or command, inside a session.
type Lease struct {
	// ID is set for a command that somebody was let in with.
	ID string `json:"id,omitempty"`
	// PID is the process, or the oldest of the command's.
	PID int `json:"pid"`
	// User is who it runs as, or who asked for the command.
	User string `json:"user,omitempty"`
	// Command is what it is called.
	Command string `json:"command,omitempty"`
	// Since is since when it is inside, as far as is known.
	Since metav1.Time `json:"since"`
}

// Blocker is a process that is in the way, or a loop device or a mount.
type Blocker struct {
	// PID is the process, if it is one.
	PID int `json:"pid,omitempty"`
	// User is who it runs as.
	User string `json:"user,omitempty"`
	// Command is what it is called, or the device.
	Command string `json:"command,omitempty"`
	// Path is what it holds.
	Path string `json:"path,omitempty"`
	// Free is the command that frees it.
	Free string `json:"free"`
}

// Event is something that happened, with how often it did in a row.
type Event struct {
	// Time is when it happened last.
	Time metav1.Time `json:"time"`
	// Type is Normal or Warning.
	Type string `json:"type"`
	// Reason is a word for programs.
	Reason string `json:"reason"`
	// Message is for people.
	Message string `json:"message"`
	// Count is how often it happened in a row.
	Count int `json:"count,omitempty"`
}
