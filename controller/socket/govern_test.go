package socket

import (
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// TestGovern has root say what becomes of sessions, and others try.
func TestGovern(t *testing.T) {
	const alice = 1000
	theirs := alice
	desks := map[int]*desk{0: newDesk(t, "me", 0), alice: newDesk(t, "me", alice)}
	for _, d := range desks {
		d.machine.rooms["s"] = spec.Admitted{Name: "s", Owner: &theirs}
		d.machine.asked["s"] = &spec.Session{}
	}
	d := desks[0]
	manifest := `{"manifests":["apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: a}\nspec: {chrootRef: {name: c}}\n"]}`
	for _, row := range []struct {
		uid        int
		path, body string
		code       int
		want       string
	}{
		{0, "/sessions/s/suspend", `{"why":"it hangs"}`, 200, ""},
		{0, "/sessions/s/suspend", `{"why":"a\nb"}`, 400, "one line"},
		{0, "/sessions/s/suspend", `{"why":"` + strings.Repeat("y", 501) + `"}`, 400, "one line"},
		{0, "/sessions/s/suspend", `{"until":"noon"}`, 400, "cannot be read"},
		{0, "/sessions/none/suspend", `{}`, 404, "there is no session"},
		{0, "/sessions/none/resume", "", 404, "there is no session"},
		{0, "/sessions/none/reconcile", "", 404, "there is no session"},
		{0, "/sessions/..%2Fs/suspend", `{}`, 404, "there is no session"},
		{0, "/sessions/s/reconcile", "", 202, ""},
		{0, "/plan", `{}`, 200, `"items":[]`},
		{0, "/plan", manifest, 200, `"session":"a"`},
		{0, "/plan", `{"without":[{"kind":"Session","name":"gone"}]}`, 200, `"session":"gone"`},
		{0, "/plan", `{"manifests":["kind: Session"]}`, 400, "apiVersion"},
		{0, "/plan", `{"manifest":"kind: Session"}`, 400, "cannot be read"},
		{0, "/plan", `{"manifests":["` + strings.Repeat("#"+strings.Repeat("x", wire.MaxBody/2)+`","`, 3) + `"]}`, 200, `"items":[]`},
		// Not even who began it: a session that is suspended outlives its limits.
		{alice, "/sessions/s/suspend", `{}`, 403, "only root"},
		{alice, "/sessions/s/resume", "", 403, "only root"},
		{alice, "/sessions/s/reconcile", "", 403, "only root"},
		{alice, "/sessions/none/resume", "", 403, "only root"},
		{alice, "/plan", `{}`, 403, "only root"},
	} {
		code, text := desks[row.uid].ask("POST", row.path, row.body)
		if code != row.code || !strings.Contains(text, row.want) {
			t.Errorf("user %d: %s %.60s: %d %s, want %d with %q", row.uid, row.path, row.body, code, text, row.code, row.want)
		}
	}
	for name, why := range maps.All(d.machine.suspended) {
		if name != "s" || !strings.HasPrefix(why, "it was suspended by me at ") || !strings.HasSuffix(why, ": it hangs") {
			t.Errorf("suspended: %s: %q", name, why)
		}
	}
	if code, text := d.ask("POST", "/sessions/s/resume", ""); code != 200 || len(d.machine.suspended) > 0 {
		t.Errorf("resume: %d %s, and %v", code, text, d.machine.suspended)
	}
}

// TestWhatIsSuspendedStays asks for what would come to nothing.
func TestWhatIsSuspendedStays(t *testing.T) {
	d := newDesk(t, "root", 0)
	tar := spec.Admitted{Name: "s", Session: spec.SessionSpec{OpenSource: true}, Chroot: spec.ChrootSpec{Source: spec.Source{File: &spec.FileSource{Path: "/a.tar"}}}}
	d.machine.rooms["s"], d.machine.asked["s"] = tar, &spec.Session{}
	d.put("s", status.Suspended, metav1.ConditionTrue)
	for _, row := range []struct{ method, path string }{
		{"POST", "/sessions/s/reconcile"}, {"POST", "/sessions/s/save"}, {"DELETE", "/sessions/s"},
	} {
		if code, text := d.ask(row.method, row.path, ""); code != 409 || !strings.Contains(text, "session s is suspended") || !strings.Contains(text, "root looks at it") {
			t.Errorf("%s %s: %d %s", row.method, row.path, code, text)
		}
	}
	if d.machine.asked["s"] == nil {
		t.Error("it was ended all the same")
	}
	d.put("s", status.Ready, metav1.ConditionTrue)
	if code, text := d.ask("DELETE", "/sessions/s", ""); code != 200 {
		t.Errorf("one that is not: %d %s", code, text)
	}
}
