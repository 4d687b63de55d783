package wire

import "coppice.dev/spec"

// Chroot is what a chroot is made of. What its environment sets is left out: it
// is for those inside.
type Chroot struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        spec.ChrootSpec   `json:"spec"`
}

// Session is what a session is made of.
type Session struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Owner is the number of the user who began it, nil if nobody did, and
	// OwnerName what the host calls them.
	Owner     *int   `json:"owner,omitempty"`
	OwnerName string `json:"ownerName,omitempty"`
	// OwnerIsRoot is set if the owner may be root in it.
	OwnerIsRoot bool `json:"ownerIsRoot,omitempty"`
	// Chroot is the name of its chroot, "" for one of its own, and Spec what it
	// was admitted with, or what it is to be.
	Chroot string          `json:"chroot,omitempty"`
	Spec   spec.ChrootSpec `json:"spec"`
	// Source is set if it opens the chroot's source.
	Source bool `json:"source,omitempty"`
	// Root is where the host sees it; "" if that is nowhere, or not yet.
	Root string `json:"root,omitempty"`
}

// Chroots are several, by name.
type Chroots struct {
	Items []Chroot `json:"items"`
}

// Sessions are several, by name.
type Sessions struct {
	Items []Session `json:"items"`
}
