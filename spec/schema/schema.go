// Package schema holds the schemas of the kinds, for those who check manifests with
// tools of their own: an API server, an editor, kubeconform. They are generated from
// the Go types of package spec (make generate) and embedded here.
//
// It never checks anything itself: what the daemon takes is for package spec to say.
// A test holds the two against each other.
package schema

import (
	"embed"
	"slices"
	"strings"

	"coppice.dev/spec"
)

// Version is that of the API which the schemas are of.
const Version = "v1alpha1"

//go:embed crd/*.yaml json/*.json
var files embed.FS

// Kinds are the kinds that there are schemas of.
func Kinds() []string { return []string{spec.KindChroot, spec.KindProfile, spec.KindSession} }

// KindOf returns the kind that somebody means who writes it as in kubectl: in any
// case, as one or as many.
func KindOf(word string) (string, bool) {
	i := slices.IndexFunc(Kinds(), func(kind string) bool {
		return strings.EqualFold(word, kind) || strings.EqualFold(word, kind+"s")
	})
	if i < 0 {
		return "", false
	}
	return Kinds()[i], true
}

// CRDFileName is the name of the file with a kind's CustomResourceDefinition, as
// controller-gen gives it.
func CRDFileName(kind string) string { return "coppice.dev_" + strings.ToLower(kind) + "s.yaml" }

// CRD returns a kind's CustomResourceDefinition, in YAML, which begins with "---".
func CRD(kind string) []byte { return read("crd/" + CRDFileName(kind)) }

// FileName is the name of the file with a kind's JSON Schema, as kubeconform looks
// for it; of all kinds for "".
func FileName(kind string) string {
	if kind == "" {
		kind = "manifest"
	}
	return strings.ToLower(kind) + "_" + Version + ".json"
}

// JSON returns a kind's JSON Schema (draft 7); for "" one that takes any kind.
func JSON(kind string) []byte { return read("json/" + FileName(kind)) }

// read returns an embedded file.
func read(name string) []byte {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // a kind that is none of Kinds
	}
	return text
}
