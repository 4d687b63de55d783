package spec

// Admitted is a session with every reference resolved and every default
// filled in: all that is needed to make it, and to take it down when the
// manifests it came from are gone. It is kept with the session, so that
// editing a Chroot or a Profile never changes what already runs.
type Admitted struct {
	// Name is the session's metadata.name.
	Name string `json:"name"`
	// ChrootName is the name of the Chroot it was grown from; empty for an inline one.
	ChrootName string `json:"chrootName,omitempty"`
	// ProfileName is the name of the profile; empty if there is none.
	ProfileName string `json:"profileName,omitempty"`
	// Ephemeral is set when the session's manifest does not survive a reboot.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// Owner is the number of the user who began it; nil if nobody did.
	Owner *int `json:"owner,omitempty"`
	// OwnerName is what they were called then; "" if the host knew no name.
	OwnerName string `json:"ownerName,omitempty"`
	// Chroot is the chroot, defaulted.
	Chroot ChrootSpec `json:"chroot"`
	// Profile is the profile without the session's own additions, defaulted.
	Profile ProfileSpec `json:"profile"`
	// Session is the session's own part, defaulted.
	Session SessionSpec `json:"session"`
}
