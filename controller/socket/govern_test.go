package socket

import (
	"maps"
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
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
		{0, "/plan", `{"manifests":["kind: Session"]}`, 400, "apiVersion"},
		{0, "/plan", `{"manifests":["` + strings.Repeat(`#","`, wire.MaxBody/2) + `"]}`, 200, `"items":[]`},
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
		if name != "s" || !strings.HasPrefix(why, "it was suspended by me at ") || !strings.HasSuffix(why, " (it hangs)") {
			t.Errorf("suspended: %s: %q", name, why)
		}
	}
	if code, text := d.ask("POST", "/sessions/s/resume", ""); code != 200 || len(d.machine.suspended) > 0 {
		t.Errorf("resume: %d %s, and %v", code, text, d.machine.suspended)
	}
}
