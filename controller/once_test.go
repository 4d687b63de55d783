package controller_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/controller"
	"coppice.dev/reconcile/object"
)

// once converges once.
func (r *room) once() controller.Summary {
	r.t.Helper()
	r.prepare()
	s, err := r.controller.Once(r.t.Context())
	if err != nil {
		r.t.Error(err)
	}
	for i := range s.NotReady {
		s.NotReady[i].Message = ""
	}
	r.accounts, s.Accounts = s.Accounts, nil
	return s
}

// put puts a manifest into the folder before anybody reads it.
func (r *room) put(file, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.folder+"/"+file, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.put("all.yaml", image("img", "overlay")+"\n---\n"+session("a", "img")+"\n---\n"+session("b", "img"))
		builtin := []string{"Profile/buildd", "Profile/default", "Profile/minimal"}
		want := controller.Summary{Ready: append([]string{"Chroot/img"}, append(builtin, "Session/a", "Session/b")...)}
		if diff := cmp.Diff(want, r.once()); diff != "" {
			t.Errorf("all is well (-want +got):\n%s", diff)
		}
		r.world.taken()
		if diff := cmp.Diff(want, r.once()); diff != "" {
			t.Errorf("once more (-want +got):\n%s", diff)
		}
		if steps := r.world.taken(); len(steps) != 0 {
			t.Errorf("steps the second time: %q", steps)
		}
		// Something of everything goes wrong.
		r.put("all.yaml", image("img", "overlay")+"\n---\n"+session("a", "img")+"\n---\n"+session("b", "none"))
		r.put("bad.yaml", "kind: [")
		r.world.fails["session/c 0-home/home"] = errors.New("broken")
		r.put("c.yaml", session("c", "img"))
		want = controller.Summary{
			Ready: append([]string{"Chroot/img"}, append(builtin, "Session/a", "Session/b")...),
			NotReady: []controller.Unready{
				{Name: "Manifest/" + r.folder + "/bad.yaml", Phase: "Failed", Reason: "InvalidManifest"},
				{Name: "Session/c", Phase: "Failed", Reason: "Error"},
			},
		}
		if diff := cmp.Diff(want, r.once()); diff != "" {
			t.Errorf("with trouble (-want +got):\n%s", diff)
		}
		if err := errors.Join(os.Remove(r.folder+"/bad.yaml"), os.Remove(r.folder+"/c.yaml"), os.Remove(r.folder+"/all.yaml"), os.RemoveAll(r.status)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(controller.Summary{Ready: builtin, Swept: []string{"a", "b"}}, r.once()); diff != "" {
			t.Errorf("swept (-want +got):\n%s", diff)
		}
		if got := r.world.owners(); got != "" {
			t.Errorf("left: %q", got)
		}
	})
}

func TestOnceTellsOfABaseThatDoesNotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.put("all.yaml", image("img", "overlay")+"\n---\n"+session("a", "img"))
		r.once()
		var base object.Owner
		for o := range r.world.there {
			if o.Class == object.Base {
				base = o
			}
		}
		r.world.fails[base.String()+" 1-device/image"] = errors.New("busy")
		r.put("all.yaml", "")
		if err := os.Remove(r.folder + "/all.yaml"); err != nil {
			t.Fatal(err)
		}
		s := r.once()
		if len(s.NotReady) != 1 || s.NotReady[0].Name != "Base/"+base.Name {
			t.Errorf("not ready: %+v", s.NotReady)
		}
	})
}

// A session that is taken down while the list of owners is being made is in that
// list all the same. Its base must not wait for it for ever.
func TestOnceTakesABaseAlongWhenTheListOfOwnersIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.put("all.yaml", image("img", "overlay")+"\n---\n"+session("a", "img"))
		r.once()
		r.world.slow = time.Minute
		if err := os.Remove(r.folder + "/all.yaml"); err != nil {
			t.Fatal(err)
		}
		r.once()
		if got := r.world.owners(); got != "" {
			t.Errorf("left: %q", got)
		}
	})
}

func TestOnceGivesAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.set = func(c *controller.Controller) {
			c.Measure = func(o object.Observed) int64 {
				if o.Kind == object.KindUpper {
					return 7
				}
				return 0
			}
		}
		r.put("all.yaml", image("img", "overlay")+"\n---\n"+session("a", "img"))
		r.once()
		account := func(owner object.Owner) controller.Account {
			t.Helper()
			i := slices.IndexFunc(r.accounts, func(a controller.Account) bool { return a.Owner == owner })
			if i < 0 {
				t.Fatalf("there is none of %s", owner)
			}
			return r.accounts[i]
		}
		a := object.SessionOwner("a")
		if got := account(a); len(got.Found) != 0 || len(got.Left) == 0 || len(got.Taken) == 0 || got.Ended != "" {
			t.Errorf("when it was made: %+v", got)
		}
		if base := r.accounts[0]; base.Owner.Class != object.Base || base.Source == "" || len(base.Taken) != 1 {
			t.Errorf("its base: %+v", base)
		}
		r.once()
		if got := account(a); len(got.Found) == 0 || len(got.Taken) != 0 {
			t.Errorf("when nothing was done: %+v", got)
		}
		if err := os.Remove(r.folder + "/all.yaml"); err != nil {
			t.Fatal(err)
		}
		r.once()
		if got := account(a); len(got.Left) != 0 || got.Ended != "its manifest was removed" || got.Freed != 7 {
			t.Errorf("when it was taken down: %+v", got)
		}
	})
}
