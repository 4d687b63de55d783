package socket

import (
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// What things are made of everybody may know, but for what commands find in their
// environment.
func TestSpecs(t *testing.T) {
	d := newDesk(t, "me", 1000)
	owner := 1000
	secret := spec.ChrootSpec{
		Source:      spec.Source{Directory: &spec.DirectorySource{Path: "/srv/c"}},
		Environment: &spec.Environment{Filter: "LD_.*", Set: map[string]string{"TOKEN": "secret"}},
	}
	d.machine.rooms["old"] = spec.Admitted{Name: "old", ChrootName: "c", Owner: &owner, Chroot: secret}
	fresh := &spec.Session{Spec: spec.SessionSpec{ChrootRef: &spec.Reference{Name: "c"}, OpenSource: true}}
	fresh.Name, fresh.Annotations = "fresh", map[string]string{"schroot.coppice.dev/name": "Fresh_1"}
	inline := &spec.Session{Spec: spec.SessionSpec{Chroot: &secret}}
	inline.Name = "inline"
	d.machine.asked["fresh"], d.machine.asked["inline"] = fresh, inline
	for _, name := range []string{"old", "fresh", "inline", "going"} {
		d.put(name, status.Ready, metav1.ConditionTrue)
	}
	for _, row := range []struct {
		path string
		code int
		want []string
	}{
		{"/specs/chroots", 200, []string{`"name":"c"`, `"users":["me"]`, `"type":"overlay"`}},
		{"/specs/chroots/alias", 200, []string{`"name":"c"`}},
		{"/specs/chroots/none", 404, []string{"there is no chroot"}},
		{"/specs/sessions", 200, []string{`"name":"old"`, `"name":"fresh"`, `"name":"inline"`}},
		{"/specs/sessions/old", 200, []string{`"chroot":"c"`, `"owner":1000`, `"ownerName":"me"`, "/srv/c", "LD_.*"}},
		{"/specs/sessions/fresh", 200, []string{`"chroot":"c"`, `"source":true`, "Fresh_1", `"users":["me"]`}},
		{"/specs/sessions/inline", 200, []string{"/srv/c"}},
		{"/specs/sessions/none", 404, []string{"there is no session"}},
		{"/specs/sessions/..%2Fx", 404, []string{"there is no"}},
		{"/specs/nothing", 404, []string{"there is no kind"}},
	} {
		code, text := d.ask(http.MethodGet, row.path, "")
		if code != row.code || strings.Contains(text, "secret") {
			t.Errorf("%s: %d, want %d: %s", row.path, code, row.code, text)
		}
		for _, want := range row.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", row.path, want, text)
			}
		}
	}
	if secret.Environment.Set["TOKEN"] == "" {
		t.Error("what the session has itself was changed")
	}
}

func TestBeginSeenAndAnnotated(t *testing.T) {
	d := newDesk(t, "me", 1000)
	for _, row := range []struct {
		body string
		code int
		want string
	}{
		{`{"chroot":"c","name":"a","expose":"Tree","annotations":{"schroot.coppice.dev/name":"A_1"}}`, 201, ""},
		{`{"chroot":"c","name":"b","expose":"All"}`, 400, "expose"},
		{`{"chroot":"c","name":"b","annotations":{"coppice.dev/owner":"0"}}`, 403, "the daemon's"},
		{`{"chroot":"c","name":"b","annotations":{"no name":"x"}}`, 400, "annotations"},
		{`{"chroot":"c","name":"b","annotations":{"x":"` + strings.Repeat("y", 5000) + `"}}`, 400, "longer than"},
	} {
		if code, text := d.ask(http.MethodPost, "/sessions", row.body); code != row.code || !strings.Contains(text, row.want) {
			t.Errorf("%.80s: %d %s, want %d with %q", row.body, code, text, row.code, row.want)
		}
	}
	got := d.machine.asked["a"]
	if got == nil || got.Spec.Expose != spec.ExposeTree || got.Annotations["schroot.coppice.dev/name"] != "A_1" || got.Annotations[spec.OwnerAnnotation] != "1000" {
		t.Errorf("asked for: %+v", got)
	}
	if len(d.machine.asked) != 1 {
		t.Errorf("sessions %v were asked for", d.machine.asked)
	}
}
