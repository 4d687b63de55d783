package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"coppice.dev/spec"
	"coppice.dev/spec/schema"
)

// examples is the folder with the base and the overlay that people are shown.
const examples = "../../../docs/examples/kustomize"

// build returns what kustomize makes of a folder.
func build(t *testing.T, folder string) []byte {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	must(t, err)
	text, err := made.AsYaml()
	must(t, err)
	return text
}

// parsed returns the objects of a manifest, by kind; there must be nothing wrong.
func parsed(t *testing.T, text []byte) map[string]spec.Object {
	t.Helper()
	documents, problems := spec.Parse("kustomize.yaml", text)
	if len(problems) > 0 {
		t.Fatalf("%v in:\n%s", problems, text)
	}
	objects := map[string]spec.Object{}
	for _, d := range documents {
		objects[d.Kind] = d.Object
	}
	return objects
}

// TestKustomize has what kustomize makes of the example taken as it is, with every
// change in it and every name following.
func TestKustomize(t *testing.T) {
	text := build(t, examples+"/overlay")
	objects := parsed(t, text)
	chroot, isChroot := objects[spec.KindChroot].(*spec.Chroot)
	session, isSession := objects[spec.KindSession].(*spec.Session)
	profile, isProfile := objects[spec.KindProfile].(*spec.Profile)
	if !isChroot || !isSession || !isProfile {
		t.Fatalf("not one of each kind:\n%s", text)
	}
	for what, got := range map[string][2]string{
		"the chroot's name":            {chroot.Name, "farm-bookworm"},
		"the profile's name":           {profile.Name, "farm-build"},
		"the session's name":           {session.Name, "farm-build"},
		"the session's chroot":         {session.Spec.ChrootRef.Name, "farm-bookworm"},
		"the chroot's profile":         {chroot.Spec.ProfileRef.Name, "farm-build"},
		"the chroot's label":           {chroot.Labels["farm"], "east"},
		"the session's annotation":     {session.Annotations["example.org/owner"], "builders"},
		"the session's memory":         {session.Spec.Limits.Memory.String(), "8Gi"},
		"what may be written to":       {chroot.Spec.Union.Upper.Size.String(), "4Gi"},
		"the groups, which are a list": {strings.Join(chroot.Spec.Access.Groups, " "), "sbuild farm"},
		"how long the session lives":   {session.Spec.TTL.Duration.String(), (72 * time.Hour).String()},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
}

// TestKustomizeLeavesBuiltinProfilesAlone has only those names follow that are renamed.
func TestKustomizeLeavesBuiltinProfilesAlone(t *testing.T) {
	folder := t.TempDir()
	references, err := os.ReadFile(examples + "/base/references.yaml")
	must(t, err)
	for name, text := range map[string]string{
		"references.yaml": string(references),
		"kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [s.yaml]\n" +
			"configurations: [references.yaml]\nnameSuffix: '-2'\n",
		"s.yaml": "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: a}\n" +
			"spec: {chroot: {source: {directory: {path: /srv/root}}, profileRef: {name: default}}}\n",
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	session, is := parsed(t, build(t, folder))[spec.KindSession].(*spec.Session)
	if !is || session.Name != "a-2" || session.Spec.Chroot.ProfileRef.Name != "default" {
		t.Errorf("%+v", session)
	}
}

// TestExamplesOfKustomize has the manifests of the base tell editors where the schema
// is, and be good by themselves.
func TestExamplesOfKustomize(t *testing.T) {
	const modeline = "# yaml-language-server: $schema="
	for _, name := range []string{"chroot.yaml", "profile.yaml", "session.yaml"} {
		file := filepath.Join(examples, "base", name)
		text, err := os.ReadFile(file)
		must(t, err)
		parsed(t, text)
		first, _, _ := strings.Cut(string(text), "\n")
		path, is := strings.CutPrefix(first, modeline)
		found, err := os.ReadFile(filepath.Join(filepath.Dir(file), path))
		if !is || err != nil || string(found) != string(schema.JSON("")) {
			t.Errorf("%s begins with %q, which is not the schema of any kind: %v", file, first, err)
		}
	}
}
