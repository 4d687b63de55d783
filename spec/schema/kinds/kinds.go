// Package kinds puts together what the API knows of each kind, as the schemas show
// it: the spec that people write and the status that the daemon adds. It is read by
// the generator of the schemas; no program uses it, since nothing holds both halves
// at a time.
//
// +groupName=coppice.dev
// +versionName=v1alpha1
package kinds

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// Chroot is a root file system that sessions are grown from. It is never changed by
// the sessions that use it, unless its union is "none".
// +kubebuilder:resource:scope=Cluster,categories=coppice
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Description",type=string,priority=1,JSONPath=`.spec.description`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="metadata.name must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.source.plain) || !has(self.spec.profileRef)",message="a plain chroot is used as it is; use source directory for mounts, files and hooks"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.aliases) || !(self.metadata.name in self.spec.aliases)",message="an alias is the name itself; leave it out"
type Chroot struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	// Spec says where a root file system comes from, and who may use it how.
	Spec spec.ChrootSpec `json:"spec"`
	// Status is what the daemon tells; it is never read from a manifest.
	Status *status.Status `json:"status,omitempty"`
}

// Profile is what sessions get on top of their root file system.
// +kubebuilder:resource:scope=Cluster,categories=coppice
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="metadata.name must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most"
type Profile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	// Spec lists mounts, files and hooks.
	Spec spec.ProfileSpec `json:"spec,omitempty"`
	// Status is what the daemon tells; it is never read from a manifest.
	Status *status.Status `json:"status,omitempty"`
}

// Session is one disposable root, grown from a chroot.
// +kubebuilder:resource:scope=Cluster,categories=coppice
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Chroot",type=string,JSONPath=`.spec.chrootRef.name`
// +kubebuilder:printcolumn:name="Root",type=string,priority=1,JSONPath=`.status.root`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="metadata.name must be lower-case letters, digits and dashes, with a letter or digit first and last, 63 at most"
type Session struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	// Spec says what the session is grown from and how it lives.
	Spec spec.SessionSpec `json:"spec"`
	// Status is what the daemon tells; it is never read from a manifest.
	Status *status.Status `json:"status,omitempty"`
}
