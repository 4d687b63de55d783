package controller_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"coppice.dev/controller"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// base returns the one base that there is.
func (r *room) base() object.Owner {
	r.t.Helper()
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	for o := range r.world.there {
		if o.Class == object.Base {
			return o
		}
	}
	r.t.Fatal("there is no base")
	return object.Owner{}
}

func TestSessionsShareABaseUntilTheLastGoes(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", image("img", "overlay"))
		r.write("a.yaml", session("a", "img"))
		r.write("b.yaml", session("b", "img"))
		f := r.phase("a", status.Ready)
		r.phase("b", status.Ready)
		if got := r.world.owners(); got != "a b base" {
			t.Errorf("there are %q, want one base", got)
		}
		if o := f.Status.Objects[0]; o.Owner != r.base().String() || o.Address != "1-device/image" {
			t.Errorf("the first object is %+v, want the base's", o)
		}
		r.remove("a.yaml")
		if got := r.world.owners(); got != "b base" {
			t.Errorf("there are %q", got)
		}
		r.restart()
		r.wait(time.Minute)
		if got := r.world.owners(); got != "b base" {
			t.Errorf("after a restart there are %q", got)
		}
		r.remove("b.yaml")
		if got := r.world.owners(); got != "" {
			t.Errorf("there are %q", got)
		}
	})
}

// TestAnUnpackedArchiveIsKeptForLater as long as a Chroot names it, for a time.
func TestAnUnpackedArchiveIsKeptForLater(t *testing.T) {
	bubble(t, func(r *room) {
		size := int64(1)
		r.set = func(c *controller.Controller) {
			c.KeepUnpacked = time.Hour
			c.Inspect = func(context.Context, spec.Source) (compile.Facts, error) {
				return compile.Facts{Contents: object.FileIdentity{Inode: 7, Size: size}}, nil
			}
		}
		r.restart()
		archive := manifest("Chroot", "tar", "source: {file: {path: /srv/a.tar}};union: {type: overlay}")
		r.write("c.yaml", archive, image("img", "overlay"))
		once := func(name string) {
			t.Helper()
			r.write("s.yaml", session(name, "tar"))
			r.phase(name, status.Ready)
			r.remove("s.yaml")
			r.wait(time.Second)
		}
		is := func(what, want string) {
			t.Helper()
			if got := r.world.owners(); got != want {
				t.Errorf("%s there are %q, want %q", what, got, want)
			}
		}
		once("a")
		is("when the session is gone", "base")
		r.world.taken()
		r.wait(50 * time.Minute)
		once("b")
		r.wait(50 * time.Minute)
		is("50 minutes after the second one", "base")
		for _, did := range r.world.taken() {
			if strings.Contains(did, "2-layer/tree") {
				t.Errorf("for the second session %s was done", did)
			}
		}
		r.wait(20 * time.Minute)
		is("after more than an hour", "")
		// What was unpacked of an archive that is another now is of no use.
		once("a")
		size++
		once("b")
		is("after a session of another archive", "base")
		// It goes with the Chroot that names it.
		r.write("c.yaml", image("img", "overlay"))
		r.wait(time.Second)
		is("without the chroot", "")
		// An image costs nothing to attach, and others may want it.
		r.write("s.yaml", session("a", "img"))
		r.phase("a", status.Ready)
		r.remove("s.yaml")
		r.wait(time.Second)
		is("after a session of an image", "")
		// When there is no room for something else it goes first.
		r.write("c.yaml", archive, directory("dir"))
		once("a")
		is("before there is no room", "base")
		r.world.change(func() {
			r.world.fails["session/b 3-write/upper"] = &fault.Fault{Reason: fault.NoSpace, Doing: "make the layer"}
		})
		r.write("s.yaml", session("b", "dir"))
		r.wait(time.Second)
		r.remove("s.yaml")
		r.wait(time.Second)
		is("when there was no room", "")
	})
}

func TestABaseNobodyWantsIsSweptWhenAllIsKnown(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", image("img", "overlay"), directory("dir"))
		r.write("a.yaml", session("a", "img"))
		r.write("b.yaml", session("b", "dir"))
		r.phase("a", status.Ready)
		r.halt()
		// The session and its home are lost, the base is not.
		r.world.change(func() { delete(r.world.there, object.SessionOwner("a")) })
		r.world.change(func() { r.world.blind[object.SessionOwner("b")] = object.KindHome })
		r.remove("a.yaml")
		r.start()
		r.wait(time.Minute)
		if got := r.world.owners(); got != "b base" {
			t.Errorf("there are %q: no base may go before b's home was seen", got)
		}
		r.world.change(func() { clear(r.world.blind); r.world.lost = true })
		r.restart()
		r.wait(time.Minute)
		if got := r.world.owners(); got != "b base" {
			t.Errorf("there are %q: no base may go before all owners are known", got)
		}
		r.world.change(func() { r.world.lost = false })
		r.wait(time.Minute)
		if got := r.world.owners(); got != "b" {
			t.Errorf("there are %q", got)
		}
	})
}

func TestAnExclusiveImageHasOneSession(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", image("rw", "none"), image("ro", "overlay"))
		r.write("a.yaml", session("a", "rw"))
		r.phase("a", status.Ready)
		r.write("b.yaml", session("b", "rw"))
		r.write("d.yaml", session("d", "ro"))
		says(t, r.phase("b", status.Pending), "Ready=False/SourceHeld", "session a", "/srv/image")
		says(t, r.phase("d", status.Pending), "Ready=False/SourceHeld", "session a")
		r.restart()
		r.wait(time.Second)
		r.phase("a", status.Ready)
		r.phase("b", status.Pending)
		r.phase("d", status.Pending)
		r.remove("a.yaml")
		r.wait(time.Second)
		b, d := r.session("b").Status.Phase, r.session("d").Status.Phase
		if b == d || b != status.Ready && d != status.Ready {
			t.Errorf("b is %s, d is %s; want one of them Ready", b, d)
		}
	})
}

// TestASessionThatFailsHoldsUpNoImage has one that stands, and fails on top of
// its root: whoever wants an image for itself need not wait for it.
func TestASessionThatFailsHoldsUpNoImage(t *testing.T) {
	for _, fails := range []string{"8-task/3-hook/000-h", "4-root/namespace"} {
		t.Run(fails, func(t *testing.T) {
			bubble(t, func(r *room) {
				r.world.change(func() { r.world.fails["session/f "+fails] = errors.New("for good") })
				r.write("c.yaml", image("rw", "none"), directory("dir"))
				r.write("f.yaml", session("f", "dir", "profile: {hooks: [{name: h, command: [/bin/true]}]}"))
				r.phase("f", status.Failed)
				r.write("a.yaml", session("a", "rw"))
				r.phase("a", status.Ready)
			})
		})
	}
}

func TestABasesFaultIsToldByItsSessions(t *testing.T) {
	bubble(t, func(r *room) {
		r.write("c.yaml", image("img", "overlay"))
		r.write("a.yaml", session("a", "img"))
		base := r.base()
		r.remove("a.yaml")
		r.world.change(func() {
			r.world.fails[base.String()+" 1-device/image"] = &fault.Fault{
				Reason: fault.WrongFileSystem, Doing: "mount image", Err: errors.New("bad superblock"), Hint: "check it with fsck",
			}
		})
		r.write("a.yaml", session("a", "img"))
		f := r.phase("a", status.Failed)
		says(t, f, "Ready=False/WrongFileSystem", "bad superblock", "fsck")
		says(t, f, "Stalled=True/WrongFileSystem")
		if f.Status.NextRetry == nil {
			t.Error("it is not told when it is tried again")
		}
		r.world.change(func() { clear(r.world.fails) })
		r.wait(10 * time.Second)
		r.phase("a", status.Ready)
		// A session that runs does not go with what it stands on.
		r.world.change(func() {
			delete(r.world.there, base)
			r.world.fails[base.String()+" 1-device/image"] = errors.New("no such disk")
		})
		r.controller.Touch(base)
		r.wait(time.Second)
		f = r.phase("a", status.Degraded)
		says(t, f, "Ready=True/Converged")
		says(t, f, "Reconciling=True/Retrying", "no such disk")
		r.world.change(func() { clear(r.world.fails) })
		r.wait(10 * time.Second)
		r.phase("a", status.Ready)
	})
}

func TestProgressIsToldToThoseWhoWait(t *testing.T) {
	bubble(t, func(r *room) {
		archive := manifest("Chroot", "tar", "source: {file: {path: /srv/a.tar}};union: {type: overlay}")
		r.write("all.yaml", archive, session("a", "tar"))
		base := r.base()
		r.remove("all.yaml")
		free := make(chan struct{})
		r.world.change(func() { r.world.hangs[base.String()+" 2-layer/tree"] = free })
		r.write("all.yaml", archive, session("a", "tar"), session("b", "tar"))
		advance := func(done int64) {
			r.controller.Progress(object.ID{Owner: base, Address: "2-layer/tree"}, done, 1024)
		}
		told := func(name string, done int64) {
			t.Helper()
			if step := r.session(name).Status.Step; step == nil || step.Done != done {
				t.Errorf("%s: step %+v, want %d done", name, step, done)
			}
		}
		r.wait(time.Second)
		advance(512)
		r.wait(time.Second / 2)
		told("b", 512)
		advance(600)
		r.wait(time.Second / 4)
		told("b", 512) // not each time
		for _, name := range []string{"a", "b"} {
			f := r.phase(name, status.Provisioning)
			says(t, f, "Ready=False/WaitingForBase")
			step := f.Status.Step
			if step == nil || step.Address != base.String()+":2-layer/tree" || step.Done != 512 || step.Total != 1024 {
				t.Errorf("%s: step %+v", name, step)
			}
		}
		advance(1024)
		r.wait(time.Second / 4)
		told("a", 1024) // but when all was read
		r.wait(time.Minute)
		says(t, r.session("a"), "Reconciling=True/Progressing", "2-layer/tree has been running for ")
		close(free)
		r.wait(time.Second)
		if f := r.phase("a", status.Ready); f.Status.Step != nil {
			t.Errorf("left: step %+v", f.Status.Step)
		}
		r.phase("b", status.Ready)
	})
}

// TestChurn has sessions come and go on a shared base and an exclusive one,
// with restarts and failures between. The world checks at each step that
// nothing goes that somebody stands on, and that no image is mounted twice.
func TestChurn(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			bubble(t, func(r *room) { churn(r, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func churn(r *room, random *rand.Rand) {
	r.write("chroots.yaml", image("ro", "overlay"), image("rw", "none"), directory("dir"),
		manifest("Chroot", "tar", "source: {file: {path: /srv/a.tar}};union: {type: overlay}"))
	chroots := []string{"ro", "rw", "dir", "tar"}
	there := map[string]bool{}
	for range 60 {
		name := string(rune('a' + random.IntN(6)))
		switch n := random.IntN(20); {
		case n < 9:
			r.write(name+".yaml", session(name, chroots[random.IntN(4)], "updateStrategy: Recreate"))
			there[name] = true
		case n < 16 && there[name]:
			r.remove(name + ".yaml")
			delete(there, name)
		case n == 16:
			r.restart()
		case n == 17:
			r.world.change(func() { r.world.fails["session/"+name+" 4-root/namespace"] = errors.New("for a while") })
		case n == 18:
			r.world.change(func() { clear(r.world.fails) })
		default:
			r.wait(time.Duration(random.IntN(60)) * time.Second)
		}
	}
	r.world.change(func() { clear(r.world.fails) })
	r.wait(5 * time.Minute)
	var want []string
	for name := range there {
		f := r.session(name)
		if f.Status.Phase != status.Ready && f.Status.Condition("Ready").Reason != "SourceHeld" {
			r.t.Errorf("%s is %s: %s", name, f.Status.Phase, told(f))
		}
		if f.Status.Phase == status.Ready {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	got := strings.ReplaceAll(r.world.owners()+" ", "base ", "")
	if got != strings.TrimLeft(strings.Join(want, " ")+" ", " ") {
		r.t.Errorf("there are %q, want %q", got, want)
	}
	for name := range there {
		r.remove(name + ".yaml")
	}
	r.wait(5 * time.Minute)
	if got := r.world.owners(); got != "" {
		r.t.Errorf("in the end there are %q", got)
	}
}
