package controller_test

import (
	"strings"
	"testing"
	"time"

	"coppice.dev/controller"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// parsed returns the objects of manifests.
func parsed(t *testing.T, documents ...string) []spec.Object {
	t.Helper()
	read, problems := spec.Parse("given.yaml", []byte(strings.Join(documents, "\n---\n")))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var list []spec.Object
	for _, d := range read {
		list = append(list, d.Object)
	}
	return list
}

// foreseen is a forecast in a line: what becomes of the session, and the steps.
func foreseen(list []controller.Forecast) string {
	var all []string
	for _, f := range list {
		var line strings.Builder
		line.WriteString(f.Session)
		if f.Problem != "" {
			line.WriteString(" PROBLEM " + f.Problem)
		}
		if f.Gone {
			line.WriteString(" gone")
		}
		if f.Anew {
			line.WriteString(" anew")
		}
		if f.Left != "" {
			line.WriteString(" left")
		}
		if len(f.Fields) > 0 {
			line.WriteString(" " + strings.Join(f.Fields, ","))
		}
		for _, p := range f.Plans {
			for _, s := range p.Steps {
				line.WriteString(" " + string(s.Op)[:1] + ":" + string(s.ID.Address))
				for _, inside := range s.Contents {
					line.WriteString("+" + string(inside.Address))
				}
			}
		}
		all = append(all, line.String())
	}
	return strings.Join(all, "\n")
}

func TestForesee(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", directory("bookworm"))
		r.write("b.yaml", session("b", "bookworm", "updateStrategy: Recreate"))
		r.write("a.yaml", session("a", "bookworm", "profile: {mounts: [{type: tmpfs, target: /tmp}]}"))
		r.phase("a", status.Ready)
		r.phase("b", status.Ready)
		other := strings.ReplaceAll(directory("bookworm"), "/srv/", "/other/")
		if other == directory("bookworm") {
			t.Fatalf("nothing is changed in %s", other)
		}
		const made = "C:0-home/home C:3-write/upper C:4-root/namespace+5-mounts/dev+5-mounts/dev/pts+5-mounts/dev/shm+5-mounts/proc+5-mounts/sys C:6-inside/processes C:7-view/root"
		const unmade = "D:7-view/root D:6-inside/processes D:4-root/namespace D:3-write/upper D:0-home/home"
		tests := []struct {
			name  string
			given []spec.Object
			want  string
		}{
			{"nothing is asked for", nil, "a\nb"},
			{"a new session", parsed(t, session("d", "bookworm")), "d " + made},
			{"one that leads nowhere", parsed(t, session("d", "sid")), `d PROBLEM chroot "sid": there is none of that name; add its manifest`},
			{"one without its mount", parsed(t, session("a", "bookworm")), "a D:5-mounts/tmp A:0-home/home"},
			{"a chroot of both", parsed(t, other), "a chroot bookworm: spec.source.directory.path\nb anew chroot bookworm: spec.source.directory.path " + unmade + " " + made},
		}
		r.world.taken()
		for _, test := range tests {
			if got := foreseen(r.controller.Foresee(r.t.Context(), test.given, false)); got != test.want {
				t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
			}
		}
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("to look has taken steps: %q", steps)
		}
		r.phase("a", status.Ready)
		// What it says is what is done.
		r.write("a.yaml", session("a", "bookworm"))
		r.wait(time.Second)
		if got := strings.Join(r.world.taken(), " "); got != "Destroy session/a 5-mounts/tmp Amend session/a 0-home/home" {
			t.Errorf("done: %s", got)
		}
	})
}

func TestForeseeWhatGoes(t *testing.T) {
	bubble(t, func(r *room) {
		s := r.suspending()
		r.write("all.yaml", directory("bookworm"), session("b", "bookworm"))
		r.write("a.yaml", session("a", "bookworm"))
		r.phase("a", status.Ready)
		if err := s.Suspend("a", "somebody looks at it"); err != nil {
			t.Fatal(err)
		}
		r.remove("a.yaml")
		r.wait(time.Second)
		got := foreseen(r.controller.Foresee(r.t.Context(), nil, false))
		if !strings.HasPrefix(got, "a gone left D:7-view/root") || !strings.HasSuffix(got, "\nb") {
			t.Errorf("%s", got)
		}
		if len(r.world.addresses(object.SessionOwner("a"))) == 0 {
			t.Error("it is gone already")
		}
	})
}
