package plan

import (
	"cmp"
	"fmt"
	"slices"

	"coppice.dev/reconcile/object"
)

// Policy says how far a plan may go.
type Policy struct {
	// Replace lets a difference take down a session's root, or what the root
	// stands on. Damage always may.
	Replace bool
}

// Make returns the plan that leads from the world to what is desired. The order
// of desired does not matter; all of it must belong to the world's owner.
func Make(desired []object.Object, world object.World, policy Policy) Plan {
	d := newDifference(desired, world)
	d.judge(policy)
	d.leaveWhatCannotBeMadeAnew()
	d.keepWhatHeldRootsStandOn()
	d.drag()
	d.keepRootInUse()
	p := Plan{Held: d.held}
	d.destroys(&p)
	d.creates(&p)
	slices.SortStableFunc(p.Held, func(a, b Held) int { return a.ID.Compare(b.ID) })
	return p
}

// verdict is what is to become of the object at one address.
type verdict struct {
	destroy, create, amend bool
	// dragged is set when only what it stands on is to blame.
	dragged bool
	reason  string
}

// difference is a plan in the making: what is wanted and what was seen by
// address, and a verdict for each address of either.
type difference struct {
	wanted    map[object.Address]object.Object
	seen      map[object.Address]object.Observed
	addresses []object.Address // of both, ascending
	verdicts  map[object.Address]*verdict
	blind     map[object.Kind]string
	held      []Held
}

func newDifference(desired []object.Object, world object.World) *difference {
	d := &difference{
		wanted:   make(map[object.Address]object.Object, len(desired)),
		seen:     make(map[object.Address]object.Observed, len(world.Objects)),
		verdicts: make(map[object.Address]*verdict),
		blind:    world.Blind,
	}
	for _, o := range desired {
		d.wanted[o.Address] = o
	}
	for _, o := range world.Objects {
		d.seen[o.Address] = o
	}
	for a := range d.wanted {
		d.verdicts[a] = new(verdict)
	}
	for a := range d.seen {
		d.verdicts[a] = new(verdict)
	}
	for a := range d.verdicts {
		d.addresses = append(d.addresses, a)
	}
	slices.Sort(d.addresses)
	return d
}

// judge gives each address its verdict, seen by itself (rule 1).
func (d *difference) judge(policy Policy) {
	for _, a := range d.addresses {
		want, wanted := d.wanted[a]
		seen, there := d.seen[a]
		v := d.verdicts[a]
		switch {
		case !wanted && seen.LeftOut:
		case !wanted:
			v.destroy, v.reason = true, "nobody wants it"
		case !there:
			v.create, v.reason = true, "it is not there"
		case seen.Kind != want.Kind():
			v.destroy, v.create, v.reason = true, true, fmt.Sprintf("a %s is in its place", seen.Kind)
		case seen.Damage != "":
			v.destroy, v.create, v.reason = true, true, seen.Damage
		default:
			d.compare(v, want, seen, policy)
		}
	}
}

// compare judges an object that is whole by what it was made with.
func (d *difference) compare(v *verdict, want object.Object, seen object.Observed, policy Policy) {
	print := object.PrintOf(want.Spec)
	switch {
	case seen.Print == print:
	case seen.Print.Identity == "" || seen.Print.Identity == print.Identity:
		v.amend, v.reason = true, "it was made with other settings"
	case want.Address.Group() <= object.GroupRoot && !policy.Replace:
		d.hold(Destroy, want.ID, CausePolicy, "it was made otherwise, and replacing it would end the session")
	default:
		v.destroy, v.create, v.reason = true, true, "it was made otherwise"
	}
}

// leaveWhatCannotBeMadeAnew takes back a making that blindness forbids before it
// drags anything along: what stands on the object would go and come again at each
// look, and the object itself would stay as it is (rule 5).
func (d *difference) leaveWhatCannotBeMadeAnew() {
	elsewhere, moves := d.upperMoves()
	for _, a := range d.addresses {
		v := d.verdicts[a]
		if !v.create {
			continue
		}
		why, blocked := "", false
		if kind := d.wanted[a].Kind(); moves && (kind == object.KindStore || kind == object.KindQuota || kind == object.KindNamespace) {
			why, blocked = elsewhere, true
		} else if v.destroy {
			why, blocked = d.blocks(Destroy, d.seen[a].Kind, a)
		}
		if !blocked && a.Group() <= object.GroupRoot {
			why, blocked = d.blocks(Create, d.wanted[a].Kind(), a)
		}
		if !blocked {
			continue
		}
		op := Create
		if v.destroy {
			op = Destroy
		}
		d.hold(op, d.wanted[a].ID, CauseBlind, why)
		*v = verdict{}
	}
}

// upperMoves reports whether the root is to be put on an upper somewhere else, and the
// one that is there cannot be taken away: it is not made at a place that is not made.
func (d *difference) upperMoves() (why string, moves bool) {
	for a, seen := range d.seen {
		upper, is := seen.Spec.(object.Upper)
		if !is {
			continue
		}
		for _, want := range d.wanted {
			if root, is := want.Spec.(object.Namespace); is && root.Upper != "" && root.Upper != upper.Dir {
				return d.blocks(Destroy, seen.Kind, a)
			}
		}
	}
	return "", false
}

// keepWhatHeldRootsStandOn leaves alone what a root stands on that is itself left
// alone, be it wanted or not: an older version of this program may have built it
// on other things.
func (d *difference) keepWhatHeldRootsStandOn() {
	top, cause := object.Group(-1), CausePolicy
	for _, h := range d.held {
		if g := h.ID.Address.Group(); h.Op == Destroy && g <= object.GroupRoot && g > top {
			top, cause = g, h.Cause
		}
	}
	for _, a := range d.addresses {
		if v := d.verdicts[a]; v.destroy && a.Group() < top {
			d.hold(Destroy, d.seen[a].ID, cause, v.reason+", but what stands on it is kept")
			*v = verdict{}
		}
	}
}

// drag destroys what stands on an object that is about to be made (rule 3).
func (d *difference) drag() {
	for _, under := range d.addresses {
		if !d.verdicts[under].create {
			continue
		}
		for _, a := range d.addresses {
			seen, there := d.seen[a]
			v := d.verdicts[a]
			if !there || seen.LeftOut || v.destroy || !d.standsOn(seen, under) || d.outlives(seen, under) {
				continue
			}
			_, wanted := d.wanted[a]
			*v = verdict{destroy: true, create: wanted, dragged: true, reason: fmt.Sprintf("%s is made anew", under)}
		}
	}
}

// outlives reports whether what was seen is as good as before when what is missing under
// it is made: a disk is but a mount, which goes with every reboot, and what a session
// wrote above it does not.
func (d *difference) outlives(seen object.Observed, under object.Address) bool {
	return seen.Kind == object.KindUpper && d.wanted[under].Kind() == object.KindDisk && !d.verdicts[under].destroy
}

// standsOn reports whether the seen object was built on what is at address under.
//
// Up to the session's own layer everything stands on everything before it. The
// rest is told one by one: the view is a clone of the root, and with Tree of
// every mount; files and hooks know by themselves whether they have to be done
// again; processes are not ended because something under them is repaired.
func (d *difference) standsOn(seen object.Observed, under object.Address) bool {
	if under.Group() >= seen.Address.Group() && seen.Kind != object.KindMount {
		return false
	}
	switch under.Group() {
	case object.GroupHome, object.GroupDevice, object.GroupLayer, object.GroupWrite:
		return seen.Kind != object.KindProcesses
	case object.GroupRoot:
		return seen.Kind == object.KindView || seen.Kind == object.KindMount
	case object.GroupMounts:
		if seen.Kind == object.KindView {
			view, is := d.wanted[seen.Address].Spec.(object.View)
			return is && view.Tree
		}
		return seen.Kind == object.KindMount && seen.Address.Below(under)
	default:
		return false
	}
}

// keepRootInUse takes back the destruction of a root that processes use, when
// the session is to live on (rule 6), and with it all that was to follow.
func (d *difference) keepRootInUse() {
	inside, ok := d.usersInside()
	if !ok {
		return
	}
	doomed, closed := false, false
	for _, a := range d.addresses {
		if d.seen[a].Kind == object.KindNamespace && d.verdicts[a].destroy {
			doomed, closed = true, d.seen[a].Damage != ""
		}
	}
	if !doomed {
		return
	}
	for _, a := range d.addresses {
		// What has to be made for the root to stand on is not under it now.
		closed = closed || a.Group() < object.GroupRoot && d.verdicts[a].create
	}
	for _, a := range d.addresses {
		v := d.verdicts[a]
		if !v.dragged && a.Group() > object.GroupRoot {
			// Nothing can be made in a namespace that nobody can enter, or whose
			// root has lost its ground, or noted in a home that is not there.
			if closed && (v.create || v.amend) {
				*v = verdict{}
			}
			continue
		}
		if v.destroy && a.Group() <= object.GroupRoot {
			d.hold(Destroy, d.seen[a].ID, CauseInUse, fmt.Sprintf("%s, but processes are inside: %d", v.reason, inside))
		}
		if v.destroy || v.create {
			*v = verdict{}
		}
	}
}

// usersInside counts the processes of a session that is to live on.
func (d *difference) usersInside() (int, bool) {
	for a, seen := range d.seen {
		_, wanted := d.wanted[a]
		if seen.Kind == object.KindProcesses && wanted && len(seen.Users) > 0 {
			return len(seen.Users), true
		}
	}
	return 0, false
}

// destroys appends what goes, last made first (rules 2 and 4).
func (d *difference) destroys(p *Plan) {
	for _, a := range slices.Backward(d.addresses) {
		v, seen := d.verdicts[a], d.seen[a]
		if !v.destroy || (seen.Kind == object.KindMount && d.goesWithNamespace()) {
			continue
		}
		if why, blocked := d.blocks(Destroy, seen.Kind, a); blocked {
			p.Held = append(p.Held, Held{Destroy, seen.ID, why, CauseBlind})
			v.create = false
			continue
		}
		p.Steps = append(p.Steps, Step{Op: Destroy, ID: seen.ID, Seen: seen, Reason: v.reason})
	}
}

// goesWithNamespace reports whether the namespace goes, and the mounts with it.
func (d *difference) goesWithNamespace() bool {
	for a, seen := range d.seen {
		if seen.Kind == object.KindNamespace && d.verdicts[a].destroy {
			_, blocked := d.blocks(Destroy, seen.Kind, a)
			return !blocked
		}
	}
	return false
}

// creates appends what comes or changes, in the order of making.
func (d *difference) creates(p *Plan) {
	withNamespace := d.comesWithNamespace()
	for _, a := range d.addresses {
		v, want := d.verdicts[a], d.wanted[a]
		op := Create
		switch {
		case !v.create && !v.amend, v.create && withNamespace && want.Kind() == object.KindMount:
			continue
		case v.amend:
			op = Amend
		}
		if why, blocked := d.blocks(op, want.Kind(), a); blocked {
			p.Held = append(p.Held, Held{op, want.ID, why, CauseBlind})
			continue
		}
		if op == Amend && want.Kind() == object.KindHome && d.remembersMore(p.Held) {
			p.Held = append(p.Held, Held{op, want.ID, "it remembers what is still there, or may be", CauseBlind})
			continue
		}
		step := Step{Op: op, ID: want.ID, Object: want, Seen: d.seen[a], Reason: v.reason}
		if op == Create {
			step.Seen = object.Observed{}
		}
		if withNamespace && want.Kind() == object.KindNamespace {
			step.Contents = d.mounts()
		}
		p.Steps = append(p.Steps, step)
	}
}

// comesWithNamespace reports whether the namespace is made by this plan, and
// the mounts with it.
func (d *difference) comesWithNamespace() bool {
	for a, want := range d.wanted {
		if want.Kind() == object.KindNamespace && d.verdicts[a].create {
			_, blocked := d.blocks(Create, want.Kind(), a)
			return !blocked
		}
	}
	return false
}

// mounts returns the wanted mounts in the order of making.
func (d *difference) mounts() []object.Object {
	var list []object.Object
	for _, o := range d.wanted {
		if o.Kind() == object.KindMount {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b object.Object) int { return cmp.Compare(a.Address, b.Address) })
	return list
}

func (d *difference) hold(op Op, id object.ID, cause Cause, reason string) {
	d.held = append(d.held, Held{op, id, reason, cause})
}

// remembersMore reports whether the home may be all that knows of something. A
// bind carries no label, and a snapshot lies on another file system: the home's
// memory is how they are found again, and must not be rewritten before they are
// seen to be gone.
func (d *difference) remembersMore(held []Held) bool {
	return len(d.blind) > 0 || slices.ContainsFunc(held, func(h Held) bool {
		g := h.ID.Address.Group()
		return h.Op == Destroy && (g == object.GroupMounts || g == object.GroupDevice)
	})
}
