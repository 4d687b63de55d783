package gitops

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"coppice.dev/status"
)

// state is what an object is brought to, and what kstatus is to make of that.
type state struct {
	name string
	// first is its manifest's spec, and then what it is changed to when it is Ready;
	// "" for not at all.
	first, then string
	// phase and reason (of Ready) are how the state is known to be reached.
	phase  status.Phase
	reason string
	want   kstatus.Status
}

// states are those of sessions. ROOT is a folder that is there, FLAG a file that is
// not, BASE the test's own folder.
var states = []state{
	{"ready", "{chroot: ROOT}", "", status.Ready, "Converged", kstatus.CurrentStatus},
	{"waits", "{chrootRef: {name: nowhere}}", "", status.Pending, "", kstatus.InProgressStatus},
	{"retried", "{chroot: ROOT, profile: {hooks: [{name: h, command: [/usr/bin/test, -e, FLAG]}]}}", "", status.Failed, "HookFailed", kstatus.InProgressStatus},
	{"stalled", "{chroot: {source: {directory: {path: BASE/missing}}}}", "", status.Failed, "SourceMissing", kstatus.FailedStatus},
	{"wrong", "{chrotRef: {name: a}}", "", status.Failed, "InvalidManifest", kstatus.FailedStatus},
	{"expired", "{chroot: ROOT, ttl: 1s}", "", status.Expired, "Expired", kstatus.FailedStatus},
	// It is as somebody wants it, so nobody is to wait for it.
	{"suspended", "{chroot: ROOT}", "{chroot: ROOT, suspend: true}", status.Suspended, "", kstatus.CurrentStatus},
	// Nothing is there to be used; who waits for it waits until it is resumed.
	{"never-begun", "{chroot: ROOT, suspend: true}", "", status.Suspended, "Suspended", kstatus.InProgressStatus},
	// What it is changed to fails, and is tried again.
	{"changed", "{chroot: ROOT}", "{chroot: ROOT, profile: {hooks: [{name: h, command: [/usr/bin/test, -e, FLAG]}]}}", status.Failed, "HookFailed", kstatus.InProgressStatus},
	// It can be used, and yet is not what its manifest says.
	{"spoilt", "{chroot: ROOT}", "{chroot: ROOT, expse: Tree}", status.Degraded, "", kstatus.FailedStatus},
}

// expand writes out what the specs leave open.
func (h *host) expand(text string) string {
	root := "{source: {directory: {path: " + h.base + "/root}}}"
	return strings.NewReplacer("ROOT", root, "FLAG", h.base+"/flag", "BASE", h.base).Replace(text)
}

func (h *host) session(name, spec string) {
	h.write(h.folder+"/"+name+".yaml", h.expand("apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: "+name+"}\nspec: "+spec+"\n"))
}

// told is a status file, as kstatus and as Coppice reads it.
type told struct {
	object *unstructured.Unstructured
	file   status.File
	text   string
}

// read reads a status file; ok is false if there is none.
func (h *host) read(kind, name string) (told, bool) {
	h.t.Helper()
	text, err := os.ReadFile(status.Path(h.base+"/run/status", kind, name))
	if os.IsNotExist(err) {
		return told{}, false
	}
	must(h.t, err)
	got := told{object: &unstructured.Unstructured{}, text: string(text)}
	json, err := yaml.YAMLToJSON(text)
	must(h.t, err)
	must(h.t, got.object.UnmarshalJSON(json))
	must(h.t, yaml.Unmarshal(text, &got.file))
	return got, true
}

// reaches waits until an object's status is as wanted, and has kstatus look at it.
func (h *host) reaches(kind, name string, want kstatus.Status, ok func(status.File) bool) {
	h.t.Helper()
	var got told
	h.until(fmt.Sprintf("%s %s is as wanted", kind, name), func() (bool, string) {
		var there bool
		got, there = h.read(kind, name)
		return there && ok(got.file), got.text
	})
	result, err := kstatus.Compute(got.object)
	if err != nil || result.Status != want {
		h.t.Errorf("%s %s is %v (%v) to kstatus, want %s:\n%s", kind, name, result, err, want, got.text)
	}
	coherent(h.t, got)
}

// coherent holds a status to the rules that kstatus counts on.
func coherent(t *testing.T, got told) {
	t.Helper()
	f := got.file
	if len(f.Status.Conditions) == 0 || f.Metadata.Generation < 1 || f.Status.ObservedGeneration > f.Metadata.Generation {
		t.Errorf("%s %s has no conditions, or generations that cannot be:\n%s", f.Kind, f.Metadata.Name, got.text)
	}
	for _, c := range f.Status.Conditions {
		if c.ObservedGeneration < 1 || c.ObservedGeneration > f.Metadata.Generation || c.Reason == "" {
			t.Errorf("%s %s: condition %s is of generation %d:\n%s", f.Kind, f.Metadata.Name, c.Type, c.ObservedGeneration, got.text)
		}
	}
	if f.Status.Condition(status.ConditionReconciling) != nil && f.Status.Condition(status.ConditionStalled) != nil {
		t.Errorf("%s %s is Reconciling and Stalled at the same time:\n%s", f.Kind, f.Metadata.Name, got.text)
	}
}

// settled reports whether what the manifest says now was acted on.
func settled(f status.File) bool {
	return f.Status.ObservedGeneration == f.Metadata.Generation && f.Status.Step == nil
}

// in returns what is true of a session in a phase for a reason, "" for any.
func in(phase status.Phase, reason string) func(status.File) bool {
	return func(f status.File) bool {
		ready := f.Status.Condition(status.ConditionReady)
		return f.Status.Phase == phase && ready != nil && (reason == "" || ready.Reason == reason) && settled(f)
	}
}

// TestKstatus brings objects of every kind into every state that can be told of, and
// has kstatus tell what it makes of their status files.
func TestKstatus(t *testing.T) {
	h := newHost(t)
	for _, s := range states {
		h.session(s.name, s.first)
	}
	h.write(h.folder+"/chroots.yaml", h.expand("apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: good}\nspec: ROOT\n"+
		"---\napiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: empty}\nspec: {source: {directory: {path: BASE/missing}}}\n"+
		"---\napiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata: {name: own}\nspec: {mounts: [{type: proc}]}\n"))
	h.write(h.folder+"/broken.yaml", "kind: [\n")
	h.write(h.second+"/good.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata: {name: second}\nspec: {}\n")
	for _, s := range states {
		if s.then != "" {
			h.reaches("Session", s.name, kstatus.CurrentStatus, in(status.Ready, "Converged"))
			h.session(s.name, s.then)
		}
	}
	for _, s := range states {
		h.reaches("Session", s.name, s.want, in(s.phase, s.reason))
	}
	h.reaches("Chroot", "good", kstatus.CurrentStatus, in(status.Ready, "Valid"))
	h.reaches("Chroot", "empty", kstatus.FailedStatus, in(status.Failed, "SourceMissing"))
	h.reaches("Profile", "own", kstatus.CurrentStatus, in(status.Ready, "Valid"))
	h.reaches("Profile", "default", kstatus.CurrentStatus, in(status.Ready, "Valid"))
	h.reaches(status.KindManifest, h.folder+"/broken.yaml", kstatus.FailedStatus, in(status.Failed, "InvalidManifest"))
	h.reaches(status.KindFolder, h.folder, kstatus.FailedStatus, in(status.Failed, "InvalidManifest"))
	h.reaches(status.KindFolder, h.second, kstatus.CurrentStatus, in(status.Ready, "Read"))
	h.all()
}

// all holds every status that there is to the rules.
func (h *host) all() {
	h.t.Helper()
	files, err := filepath.Glob(h.base + "/run/status/*/*.yaml")
	must(h.t, err)
	if len(files) < len(states) {
		h.t.Errorf("only %d status files", len(files))
	}
	for _, kind := range []string{"Session", "Chroot", "Profile", status.KindManifest, status.KindFolder} {
		list, err := status.List(h.base+"/run/status", kind)
		must(h.t, err)
		for _, f := range list {
			if got, there := h.read(kind, f.Metadata.Name); there {
				coherent(h.t, got)
			}
		}
	}
}

// TestKstatusOfWhatGoes has a session go that cannot, for a while: it is Terminating
// from the removal of its manifest until nothing is left of it, and then there is no
// status. One whose manifest comes back does not go any more.
func TestKstatusOfWhatGoes(t *testing.T) {
	h := newHost(t)
	for _, name := range []string{"goes", "comes-back"} {
		flag := h.base + "/keep-" + name
		h.write(flag, "")
		h.session(name, "{chroot: ROOT, profile: {hooks: [{name: h, command: [/bin/true], undo: [/usr/bin/test, '!', -e, "+flag+"]}]}}")
		h.reaches("Session", name, kstatus.CurrentStatus, in(status.Ready, "Converged"))
		must(t, os.Remove(h.folder+"/"+name+".yaml"))
		var since string
		h.reaches("Session", name, kstatus.TerminatingStatus, func(f status.File) bool {
			if f.Metadata.DeletionTimestamp != nil {
				since = f.Metadata.DeletionTimestamp.String()
			}
			return f.Status.Phase == status.Terminating && f.Status.NextRetry != nil
		})
		h.reaches("Session", name, kstatus.TerminatingStatus, func(f status.File) bool {
			for _, e := range f.Status.Events {
				if e.Count > 1 {
					return f.Metadata.DeletionTimestamp.String() == since // of the first try
				}
			}
			return false
		})
	}
	h.session("comes-back", "{chroot: ROOT}")
	must(t, os.Remove(h.base+"/keep-comes-back"))
	h.reaches("Session", "comes-back", kstatus.CurrentStatus, in(status.Ready, "Converged"))
	must(t, os.Remove(h.base+"/keep-goes"))
	h.until("nothing is told of what has gone", func() (bool, string) {
		got, there := h.read("Session", "goes")
		return !there, got.text
	})
}

// TestKstatusOfWhatIsDegraded is about what no manifest brings about: what a session
// shares with others fails while it can be used.
func TestKstatusOfWhatIsDegraded(t *testing.T) {
	h := &host{t: t, base: t.TempDir()}
	w, err := status.New(h.base + "/run/status")
	must(t, err)
	f := status.File{TypeMeta: metav1.TypeMeta{Kind: "Session"}, Metadata: status.Metadata{Name: "a", Generation: 3}}
	status.Judge(&f.Status, 3, time.Now(), status.Verdict{
		Ready: metav1.ConditionTrue, Note: status.Note{Reason: "Converged", Message: "9 objects"},
		Work: status.WorkRetrying, WorkMessage: "what it shares with others failed",
	})
	must(t, w.Put(f))
	h.reaches("Session", "a", kstatus.InProgressStatus, in(status.Degraded, "Converged"))
}
