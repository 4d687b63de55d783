package controller_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"coppice.dev/controller"
	"coppice.dev/manifests"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// parsed returns the objects of manifests.
func parsed(t testing.TB, documents ...string) []spec.Object {
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

// foresee asks what would be done.
func (r *room) foresee(s controller.Supposition) []controller.Forecast {
	r.t.Helper()
	list, err := r.controller.Foresee(r.t.Context(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// outlook is a list of forecasts, a line each: what becomes of the session and why, and
// the steps, of what is shared after the name of its owner.
func outlook(list []controller.Forecast) string {
	var all []string
	for _, f := range list {
		words := []string{f.Session, string(f.Outcome)}
		for name, text := range map[string]string{"PROBLEM": f.Problem, "LEFT": f.Left, "WAITS": f.Waits, "FIELDS": strings.Join(f.Fields, ",")} {
			if text != "" {
				words = append(words, name+" "+text)
			}
		}
		slices.Sort(words[2:])
		for _, p := range f.Plans {
			if p.Owner.Class == object.Base {
				words = append(words, "base")
			}
			for _, s := range p.Steps {
				made := []string{string(s.Op)[:1] + ":" + string(s.ID.Address)}
				for _, inside := range s.Contents {
					made = append(made, string(inside.Address))
				}
				words = append(words, strings.Join(made, "+"))
			}
			for _, h := range p.Held {
				words = append(words, "H:"+string(h.ID.Address))
			}
		}
		all = append(all, strings.Join(words, " "))
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
		const made = "C:0-home/home C:3-write/upper C:4-root/namespace+5-mounts/dev+5-mounts/dev/pts+5-mounts/dev/shm+5-mounts/proc+5-mounts/sys C:6-inside/processes C:7-view/root"
		const unmade = "D:7-view/root D:6-inside/processes D:4-root/namespace D:3-write/upper D:0-home/home"
		given := func(documents ...string) controller.Supposition {
			return controller.Supposition{Given: parsed(t, documents...)}
		}
		without := func(kind, name string) controller.Supposition {
			return controller.Supposition{Without: []manifests.Key{{Kind: kind, Name: name}}}
		}
		tests := []struct {
			name     string
			supposed controller.Supposition
			want     string
		}{
			{"nothing is supposed", controller.Supposition{}, "a Unchanged\nb Unchanged"},
			{"a new session", given(session("d", "bookworm")), "d Created " + made},
			{"one that leads nowhere", given(session("d", "sid")), `d Pending PROBLEM chroot "sid": there is none of that name; add its manifest`},
			{"one without its mount", given(session("a", "bookworm")), "a Changed D:5-mounts/tmp A:0-home/home"},
			{"one as it is", given(session("b", "bookworm", "updateStrategy: Recreate")), "b Unchanged"},
			{"a chroot of both", given(other), "a Unchanged FIELDS chroot bookworm: spec.source.directory.path\nb Recreated FIELDS chroot bookworm: spec.source.directory.path " + unmade + " " + made},
			{"a chroot of nobody", given(directory("sid")), ""},
			{"the profile of all that name none", given(manifest("Profile", "minimal", "mounts: []")), "a Unchanged FIELDS profile minimal: spec.mounts\nb Recreated FIELDS profile minimal: spec.mounts " + unmade +
				" C:0-home/home C:3-write/upper C:4-root/namespace C:6-inside/processes C:7-view/root"},
			{"no session", without(spec.KindSession, "b"), "b Deleted " + unmade},
			{"none that was there", without(spec.KindSession, "z"), "z Unchanged"},
			{"no chroot", without(spec.KindChroot, "bookworm"), "a Unchanged\nb Unchanged"},
			{"no chroot, and one that needs it", controller.Supposition{Given: parsed(t, session("d", "bookworm")), Without: []manifests.Key{{Kind: spec.KindChroot, Name: "bookworm"}}},
				"a Unchanged\nb Unchanged\n" + `d Pending PROBLEM chroot "bookworm": there is none of that name; add its manifest`},
		}
		r.world.taken()
		for _, test := range tests {
			if got := outlook(r.foresee(test.supposed)); got != test.want {
				t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
			}
		}
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("to look has taken steps: %q", steps)
		}
		r.none("d")
		r.none("z")
	})
}

// scene is something that is about to happen: Foresee is asked about it first, and then
// it happens.
type scene struct {
	name string
	// first are the files that are there, and then prepares what they do not.
	first map[string][]string
	then  func(*room)
	// next are the files that come, those that go being empty; nil to suppose nothing.
	next map[string][]string
	// want is part of what is foreseen.
	want string
	// chance is set if two of the sessions may change places: who comes first is first.
	chance bool
}

func aliased(name, alias string) string {
	return manifest("Chroot", name, "source: {directory: {path: /srv/"+name+"}};aliases: ["+alias+"]")
}

func tarball(name string) string {
	return manifest("Chroot", name, "source: {file: {path: /srv/"+name+".tar}}")
}

// scenes are all that are played.
func scenes() []scene {
	small := "profileRef: {name: mine}"
	files := func(pairs ...string) map[string][]string {
		all := map[string][]string{}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = strings.Split(pairs[i+1], "\n---\n")
			if pairs[i+1] == "" {
				all[pairs[i]] = nil
			}
		}
		return all
	}
	profile := manifest("Profile", "mine", mine)
	return []scene{
		{name: "all is new", next: files("c.yaml", directory("c"), "a.yaml", session("a", "c"), "b.yaml", session("b", "c", "expose: None")), want: "a Created"},
		{name: "two of an image, which is made once", next: files("c.yaml", image("c", "overlay"), "a.yaml", session("a", "c"), "b.yaml", session("b", "c")), want: "a Created base C:1-device/image"},
		{name: "one more of an image", first: files("c.yaml", image("c", "overlay"), "a.yaml", session("a", "c")), next: files("b.yaml", session("b", "c")), want: "b Created C:0-home/home"},
		{name: "one of two goes", first: files("c.yaml", image("c", "overlay"), "a.yaml", session("a", "c"), "b.yaml", session("b", "c")), next: files("a.yaml", ""), want: "a Deleted D:"},
		{name: "both go, and the image with the last", first: files("c.yaml", image("c", "overlay"), "a.yaml", session("a", "c"), "b.yaml", session("b", "c")),
			next: files("a.yaml", "", "b.yaml", ""), want: "D:0-home/home base D:1-device/image"},
		{name: "one goes and one comes", first: files("c.yaml", image("c", "overlay"), "a.yaml", session("a", "c")), next: files("a.yaml", "", "b.yaml", session("b", "c")), want: "b Created C:0-home/home"},
		{name: "the last of an archive that is kept", first: files("c.yaml", tarball("c"), "a.yaml", session("a", "c")), next: files("a.yaml", ""), want: "D:0-home/home base H:2-layer/tree"},
		{name: "the last of an archive, with its chroot", first: files("c.yaml", tarball("c"), "a.yaml", session("a", "c")), next: files("a.yaml", "", "c.yaml", ""), want: "base D:2-layer/tree"},
		{name: "a mount more, a view less", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")),
			next: files("a.yaml", session("a", "c", "expose: None", "profile: {mounts: [{type: tmpfs, target: /t}]}")), want: "a Changed"},
		{name: "another ending, and anew", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c", "updateStrategy: Recreate")),
			next: files("a.yaml", session("a", "c", "updateStrategy: Recreate", "gracePeriod: 9s", "hookEnvironment: {A: b}")), want: "a Recreated FIELDS spec.hookEnvironment A:0-home/home A:6-inside/processes D:7-view/root"},
		{name: "what it cannot take", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), next: files("c.yaml", image("c", "overlay")), want: "a Unchanged FIELDS"},
		{name: "its time is over", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), next: files("a.yaml", session("a", "c", "ttl: 1s")), want: "a Expired D:7-view/root"},
		{name: "it has more time", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c", "ttl: 1s")), then: func(r *room) { r.wait(time.Minute) },
			next: files("a.yaml", session("a", "c", "ttl: 1h")), want: "a Recreated D:0-home/home C:0-home/home"},
		{name: "it had its time", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c", "ttl: 1s")), then: func(r *room) { r.wait(time.Minute) },
			next: files("a.yaml", session("a", "c", "ttl: 2s")), want: "a Changed A:0-home/home"},
		{name: "its image is gone", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c", "updateStrategy: Recreate")), then: func(r *room) { r.missing["/gone/c"] = true },
			next: files("c.yaml", strings.ReplaceAll(directory("c"), "/srv/", "/gone/")), want: "a Recreated FIELDS chroot c: spec.source.directory.path PROBLEM look at /gone/c"},
		{name: "a source is missing", then: func(r *room) { r.missing["/srv/c"] = true }, next: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), want: "a Pending PROBLEM look at /srv/c"},
		{name: "two write to one image", next: files("c.yaml", image("c", "none"), "a.yaml", session("a", "c"), "b.yaml", session("b", "c")), want: "b Pending PROBLEM session a uses /srv/image too", chance: true},
		{name: "a second writes to it", first: files("c.yaml", image("c", "none"), "a.yaml", session("a", "c")), next: files("b.yaml", session("b", "c")), want: "b Pending PROBLEM session a uses /srv/image"},
		{name: "a source is opened", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), next: files("b.yaml", session("b", "c", opens)), want: "b Pending PROBLEM /srv/c is to be opened for writing"},
		{name: "two open it", first: files("c.yaml", directory("c")), next: files("a.yaml", session("a", "c", opens), "b.yaml", session("b", "c", opens)), want: "b Pending PROBLEM session a uses /srv/c too", chance: true},
		{name: "those who wait for somebody", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c", "deletionPolicy: Wait")), then: somebody, next: files("a.yaml", ""), want: "a Deleted WAITS those inside: pid 7 (bash)"},
		{name: "a mount was lost", first: files("p.yaml", profile, "c.yaml", directory("c"), "a.yaml", session("a", "c", small)), then: loses, want: "a Changed C:5-mounts/proc"},
		{name: "and is only told of", first: files("p.yaml", profile, "c.yaml", directory("c"), "a.yaml", session("a", "c", small, "driftPolicy: Report")), then: loses, want: "a Changed LEFT driftPolicy: Report"},
		{name: "and is repaired since the manifest changes", first: files("p.yaml", profile, "c.yaml", directory("c"), "a.yaml", session("a", "c", small, "driftPolicy: Report")), then: loses,
			next: files("a.yaml", annotated("a", "c", spec.ReconcileAtAnnotation, "1", small+", driftPolicy: Report")), want: "a Changed A:0-home/home C:5-mounts/proc A:0-home/home"},
		{name: "it is suspended by its manifest", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), next: files("a.yaml", session("a", "c", "suspend: true", "expose: None")), want: "a Changed LEFT its manifest says suspend: true D:7-view/root"},
		{name: "and was, before it began", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c", "suspend: true")), next: files("a.yaml", session("a", "c")), want: "a Created C:0-home/home"},
		{name: "its record is lost", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), then: func(r *room) { r.world.change(func() { r.world.torn[object.SessionOwner("a")] = true }) }, want: "a Created A:0-home/home"},
		{name: "its record is lost, and it is another", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), then: func(r *room) { r.world.change(func() { r.world.torn[object.SessionOwner("a")] = true }) },
			next: files("c.yaml", strings.ReplaceAll(directory("c"), "/srv/", "/other/")), want: "a Pending PROBLEM its record cannot be read"},
		{name: "its home cannot be seen", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), then: func(r *room) {
			r.world.change(func() { r.world.blind[object.SessionOwner("a")] = object.KindHome })
		}, want: "a Unknown PROBLEM its home could not be looked at"},
		{name: "its root cannot be seen", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), then: func(r *room) {
			r.world.change(func() { r.world.blind[object.SessionOwner("a")] = object.KindNamespace })
		}, want: "a Unknown PROBLEM Create 4-root/namespace: Namespace objects could not be looked at"},
		{name: "nor what is left of it", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), then: func(r *room) {
			r.world.change(func() { r.world.blind[object.SessionOwner("a")] = object.KindNamespace })
		}, next: files("a.yaml", ""), want: "a Unknown PROBLEM"},
		{name: "its root is of another make", first: files("c.yaml", directory("c"), "a.yaml", session("a", "c")), then: func(r *room) {
			r.world.change(func() {
				root := r.world.there[object.SessionOwner("a")]["4-root/namespace"]
				made := root.Spec.(object.Namespace)
				made.Layers = nil
				root.Spec = made
				r.world.there[object.SessionOwner("a")]["4-root/namespace"] = root
			})
		}, want: "a Unchanged H:"},
		{name: "an alias moves", first: files("c.yaml", aliased("c", "x"), "d.yaml", directory("d"), "a.yaml", session("a", "x", "updateStrategy: Recreate")),
			next: files("c.yaml", directory("c"), "d.yaml", aliased("d", "x")), want: "a Recreated FIELDS spec.chrootRef.name"},
	}
}

// somebody is inside.
func somebody(r *room) {
	r.world.change(func() {
		r.world.inside[object.SessionOwner("a")] = []object.Process{{PID: 7, Command: "bash"}}
	})
}

// loses takes a mount away of which nobody is told yet.
func loses(r *room) {
	r.world.change(func() { delete(r.world.there[object.SessionOwner("a")], "5-mounts/proc") })
}

// TestWhatIsForeseenIsDone plays all scenes: what is said before is what is done, owner
// by owner, and nothing else.
func TestWhatIsForeseenIsDone(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			bubble(t, func(r *room) {
				r.set = func(c *controller.Controller) { c.KeepUnpacked = 24 * time.Hour }
				r.restart()
				for _, file := range slices.Sorted(maps.Keys(s.first)) {
					r.write(file, s.first[file]...)
				}
				r.wait(10 * time.Second)
				if s.then != nil {
					s.then(r)
				}
				r.world.taken()
				var supposed controller.Supposition
				for _, file := range slices.Sorted(maps.Keys(s.next)) {
					supposed.Given = append(supposed.Given, parsed(r.t, s.next[file]...)...)
					for _, o := range parsed(r.t, s.first[file]...) {
						if s.next[file] == nil {
							supposed.Without = append(supposed.Without, manifests.Key{Kind: o.GetKind(), Name: o.GetName()})
						}
					}
				}
				told := r.foresee(supposed)
				if got := outlook(told); !strings.Contains(got, s.want) {
					t.Errorf("foreseen:\n%s\nwant in it %q", got, s.want)
				}
				if steps := r.world.taken(); len(steps) != 0 {
					t.Fatalf("to look has taken steps: %q", steps)
				}
				r.happen(s.next)
				want, got := expected(told), byOwner(r.world.taken())
				if s.chance {
					want["session/a"], want["session/b"] = want["session/a"]+want["session/b"], ""
					got["session/a"], got["session/b"] = got["session/a"]+got["session/b"], ""
				}
				for owner := range maps.Keys(want) {
					if want[owner] != got[owner] {
						t.Errorf("%s: foreseen %s\ndone %s", owner, want[owner], got[owner])
					}
					delete(got, owner)
				}
				if len(got) > 0 {
					t.Errorf("done, and not foreseen: %v", got)
				}
			})
		})
	}
}

// happen has the files come and go at once, and everything be looked at.
func (r *room) happen(files map[string][]string) {
	r.t.Helper()
	for name, documents := range files {
		if documents != nil {
			r.put(name, strings.Join(documents, "\n---\n"))
		} else if err := os.Remove(filepath.Join(r.folder, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	r.refresh()
	r.wait(90 * time.Second)
}

// expected returns the steps that are foreseen and not to be left, by owner.
func expected(list []controller.Forecast) map[string]string {
	all := map[string]string{}
	for _, f := range list {
		for _, p := range f.Plans {
			for _, s := range p.Steps {
				if f.Left == "" && f.Waits == "" && (f.Problem == "" || s.Op == "Destroy") {
					all[p.Owner.String()] += fmt.Sprintf(" %s %s", s.Op, s.ID.Address)
				}
			}
		}
	}
	return all
}

// byOwner sorts steps that were taken by their owners.
func byOwner(taken []string) map[string]string {
	all := map[string]string{}
	for _, step := range taken {
		words := strings.Fields(step)
		all[words[1]] += " " + words[0] + " " + words[2]
	}
	return all
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
		deleted := controller.Supposition{Without: []manifests.Key{{Kind: spec.KindSession, Name: "a"}}}
		if got := outlook(r.foresee(deleted)); !strings.HasPrefix(got, "a Deleted D:7-view/root") {
			t.Errorf("who deletes it means it: %s", got)
		}
		r.remove("a.yaml")
		r.wait(time.Second)
		got := outlook(r.foresee(controller.Supposition{}))
		if !strings.HasPrefix(got, "a Deleted LEFT somebody looks at it D:7-view/root") || !strings.HasSuffix(got, "\nb Unchanged") {
			t.Errorf("%s", got)
		}
		if len(r.world.addresses(object.SessionOwner("a"))) == 0 {
			t.Error("it is gone already")
		}
	})
}

// TestForeseeWhatIsHeld has more manifests go at once than may.
func TestForeseeWhatIsHeld(t *testing.T) {
	bubble(t, func(r *room) {
		r.set = func(c *controller.Controller) { c.MaxPrune = 1 }
		r.restart()
		r.write("c.yaml", directory("bookworm"))
		r.write("all.yaml", session("a", "bookworm"), session("b", "bookworm"))
		r.write("z.yaml", session("z", "bookworm"))
		r.remove("all.yaml")
		r.wait(time.Minute)
		got := outlook(r.foresee(controller.Supposition{}))
		if strings.Count(got, "Deleted LEFT its manifest went together with too many others") != 2 {
			t.Errorf("%s", got)
		}
	})
}

// TestForeseeInTurn asks while a worker is at it, who takes longer than anybody waits.
func TestForeseeInTurn(t *testing.T) {
	bubble(t, func(r *room) {
		hang := make(chan struct{})
		r.world.change(func() { r.world.hangs["session/a 3-write/upper"] = hang })
		r.write("all.yaml", directory("bookworm"), session("a", "bookworm"))
		if got := outlook(r.foresee(controller.Supposition{})); got != "a Unknown PROBLEM it is being worked on right now; ask again when that is over" {
			t.Errorf("%s", got)
		}
		ctx, cancel := context.WithCancelCause(r.t.Context())
		gone := errors.New("whoever asked is gone")
		go func() {
			time.Sleep(time.Second)
			cancel(gone)
		}()
		if _, err := r.controller.Foresee(ctx, controller.Supposition{}); !errors.Is(err, gone) {
			t.Errorf("who asked went: %v", err)
		}
		r.world.change(func() { delete(r.world.hangs, "session/a 3-write/upper") })
		time.AfterFunc(time.Second, func() { close(hang) })
		if got := outlook(r.foresee(controller.Supposition{})); got != "a Unchanged" {
			t.Errorf("it is waited for: %s", got)
		}
		synctest.Wait()
	})
}
