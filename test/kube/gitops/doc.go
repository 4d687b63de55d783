// Package gitops holds what Coppice writes and reads against the tools of those who
// keep their manifests in Git: kstatus, which tells from a status how far an object
// is, and kustomize, which makes manifests of others. It is a module of its own, so
// that what they need never mixes with what Coppice needs.
package gitops
