// Package compile turns what a session was admitted with into the objects it
// is made of. It is a plain function of its arguments: the same record gives
// the same objects today, after a restart, and when the manifests are gone.
package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// Facts is what the machine said about a session's source when the session was
// admitted.
type Facts struct {
	// Contents is the identity of the archive or image.
	Contents object.FileIdentity `json:"contents"`
	// FSType is the image's file system, read from the image if it was not given.
	FSType string `json:"fsType,omitempty"`
	// Offset and SizeLimit are where in the image the file system lies, in bytes.
	Offset    int64 `json:"offset,omitempty"`
	SizeLimit int64 `json:"sizeLimit,omitempty"`
	// ReadOnly is set when the file system cannot be written to at all.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Quota is set where a limited upper on disk is a project of its own, which the
	// file system of the state folder counts; it lies in an image otherwise.
	Quota bool `json:"quota,omitempty"`
	// Places are where the source really is, and the union's lowers after it.
	Places []Place `json:"places,omitempty"`
}

// Record is what a session's home remembers of its admission.
type Record struct {
	// UID is new for every session that is made under a name.
	UID string `json:"uid"`
	// Admitted is when the session began.
	Admitted time.Time `json:"admitted"`
	// Expired is set when the session's time to live is over; only its home is
	// kept then, so that a restart does not begin it again.
	Expired bool `json:"expired,omitempty"`
	// Idled is the idle timeout by which it expired; 0 if that was not the cause.
	Idled time.Duration `json:"idled,omitempty"`
	// Folder is the watched folder that its manifest was last in.
	Folder string `json:"folder,omitempty"`
	// Held is set when the manifest went together with too many others, and the
	// session is kept until it is back or somebody confirms.
	Held bool `json:"held,omitempty"`
	// ReconcileAt is the value of spec.ReconcileAtAnnotation that was heeded last.
	ReconcileAt string `json:"reconcileAt,omitempty"`
	// Settled is the mark of the record with which all was as wanted for the first
	// time; what differs afterwards is drift. It is only kept where that matters.
	Settled string `json:"settled,omitempty"`
	// Session is what was asked for, with all references resolved.
	Session spec.Admitted `json:"session"`
	// Facts is what the machine said about the source.
	Facts Facts `json:"facts"`
}

// Encode returns the text that a home keeps.
func (r Record) Encode() (json.RawMessage, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record of session %s: %w", r.Session.Name, err)
	}
	return text, nil
}

// Mark tells what a record asks for from what others do.
func (r Record) Mark() (string, error) {
	r.Settled, r.Held, r.Folder = "", false, ""
	text, err := r.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// Decode reads what Encode wrote.
func Decode(text json.RawMessage) (Record, error) {
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}
