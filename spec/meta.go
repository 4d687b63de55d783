package spec

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIVersion is the group and version of every kind in this package.
const APIVersion = "coppice.dev/v1alpha1"

// The kinds a manifest may hold.
const (
	KindChroot  = "Chroot"
	KindProfile = "Profile"
	KindSession = "Session"
)

// Object is what the kinds have in common: Kubernetes type and object metadata.
type Object interface {
	metav1.Object
	// GetKind returns the object's kind as written in its manifest.
	GetKind() string
}

// Reference names another object of the same daemon.
type Reference struct {
	// Name is the metadata.name of the object meant.
	Name Alias `json:"name"`
}

// GetKind returns "Chroot".
func (*Chroot) GetKind() string { return KindChroot }

// GetKind returns "Profile".
func (*Profile) GetKind() string { return KindProfile }

// GetKind returns "Session".
func (*Session) GetKind() string { return KindSession }
