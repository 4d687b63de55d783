package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

// house is a run-time folder without a daemon, and a folder of manifests.
type house struct {
	t              *testing.T
	run, manifests string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, run: t.TempDir()}
	h.manifests = filepath.Join(h.run, "manifests")
	if err := os.Mkdir(h.manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

// call runs coppice in this process, standard input being a text.
func (h *house) call(in string, args ...string) (out, errOut string, code int) {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "in")
	h.write(file, in)
	stdin, err := os.Open(file)
	if err != nil {
		h.t.Fatal(err)
	}
	defer stdin.Close()
	var o, e bytes.Buffer
	c := &cli{in: stdin, out: &o, errOut: &e}
	root := newRoot(c)
	root.SetArgs(append([]string{"--run-dir", h.run}, args...))
	root.SetOut(&o)
	root.SetErr(&e)
	code = c.exitCode(root.ExecuteContext(h.t.Context()))
	return o.String(), e.String(), code
}

func (h *house) write(path, text string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// tell writes the status of an object whose manifest is at a path, as the controller
// does.
func (h *house) tell(kind, name, manifest string, labels map[string]string, change ...func(*status.Status)) {
	h.t.Helper()
	f := status.File{TypeMeta: metav1.TypeMeta{Kind: kind}, Metadata: status.Metadata{Name: name, UID: "uid-of-" + name, Generation: 1, Labels: labels}}
	f.Status.ObservedGeneration, f.Status.Phase = 1, status.Ready
	f.Status.Conditions = []metav1.Condition{{Type: status.ConditionReady, Status: "True", Reason: "Converged", Message: "9 objects", ObservedGeneration: 1}}
	if manifest != "" {
		f.Status.Source = &status.Source{Manifest: manifest, Line: 1}
	}
	for _, c := range change {
		c(&f.Status)
	}
	w, err := status.New(filepath.Join(h.run, "status"))
	if err == nil {
		err = w.Put(f)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// labelled is a manifest of a session with labels, as {team: a}.
func labelled(name, labels, chroot string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: " + name + ", labels: {" + labels + "}}\nspec: {chrootRef: {name: " + chroot + "}}\n"
}

func chrootOf(name, path string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: " + name + "}\nspec: {source: {directory: {path: " + path + "}}}\n"
}

// wants checks what a call came to: its exit code, and parts of what it said on either
// side.
func wants(t *testing.T, what string, code, want int, text string, parts ...string) {
	t.Helper()
	if code != want {
		t.Errorf("%s: exit code %d, want %d: %s", what, code, want, text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: nowhere %q in\n%s", what, part, text)
		}
	}
}
