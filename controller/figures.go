package controller

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// Figures is how things are, in numbers that can be added up over many hosts.
// Nothing in it names a session.
type Figures struct {
	// Phases counts the objects of each kind (Session, Chroot, Profile) by phase.
	Phases map[string]map[status.Phase]int
	// NotReady counts the sessions that cannot be used, by the reason of the condition
	// Ready, and Longest is for how long one of them has not been ready, those aside
	// that are meant not to be: expired, or going.
	NotReady map[string]int
	Longest  time.Duration
	// Outdated counts the sessions that do not run what their manifests say, or of
	// which nobody knows, by the reason of the condition UpToDate.
	Outdated map[string]int
	// Drifted counts the sessions that differ from what is wanted, which only is told.
	Drifted int
	// Leases counts the commands that people were let in with, Strays the other
	// processes inside, and Occupied the sessions with anybody inside.
	Leases, Strays, Occupied int
	// Objects counts what was made for sessions and bases, by kind of object.
	Objects map[string]int
	// Bases counts what sessions share, by what it is: in use, resting, waited for,
	// failing.
	Bases map[string]int

	Pace      Pace
	Manifests ManifestFigures
	// Troubles counts what is wrong with files of the controller's own, by reason, and
	// Unwritten the statuses that could not be written.
	Troubles  map[string]int
	Unwritten int

	// Round is when everything was last looked for, RoundTook how long that took, and
	// RoundsFailed how often it failed.
	Round        time.Time
	RoundTook    time.Duration
	RoundsFailed int
}

// ManifestFigures is how the manifests are, in numbers.
type ManifestFigures struct {
	// Objects counts what they ask for, by kind, and Stale those of which only what
	// they said before is known.
	Objects map[string]int
	Stale   int
	// Files counts the files with problems.
	Files int
	// Folders tells of each watched folder whether it can be read.
	Folders map[string]bool
	// Held counts the sessions that are kept although their manifests are gone.
	Held int
	// Deaf is set while changes are found by looking alone.
	Deaf bool
}

// The states of a base.
const (
	BaseInUse   = "InUse"   // sessions stand on it
	BaseResting = "Resting" // it is kept for who comes next
	BaseMaking  = "Making"  // sessions wait for it
	BaseFailing = "Failing" // the last pass over it failed
)

// Figures sums up what is known, at a cost in proportion to how many objects there
// are. Nothing is looked at for it.
func (c *Controller) Figures() Figures {
	f := Figures{
		Phases:   map[string]map[status.Phase]int{spec.KindSession: {}, spec.KindChroot: {}, spec.KindProfile: {}},
		NotReady: map[string]int{}, Outdated: map[string]int{}, Objects: map[string]int{},
		Bases: map[string]int{}, Troubles: map[string]int{},
	}
	for _, file := range c.reports.files() {
		if phases, counted := f.Phases[file.Kind]; counted {
			phases[file.Status.Phase]++
		}
		if file.Kind == spec.KindSession {
			f.add(file.Status)
		}
	}
	c.claims.figures(&f)
	f.Pace = c.pace()
	f.Manifests = c.manifestFigures()
	f.Manifests.Held = len(c.guard.all())
	f.Unwritten = c.reports.outage.count()
	f.Round, f.RoundTook, f.RoundsFailed = c.rounds.last()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.troubles {
		f.Troubles[t.reason]++
	}
	return f
}

// add counts a session.
func (f *Figures) add(s status.Status) {
	if ready := s.Condition(status.ConditionReady); ready != nil && ready.Status != metav1.ConditionTrue {
		f.NotReady[ready.Reason]++
		if s.Phase != status.Terminating && s.Phase != status.Expired && s.Phase != status.Suspended {
			f.Longest = max(f.Longest, time.Since(ready.LastTransitionTime.Time))
		}
	}
	if current := s.Condition(status.ConditionUpToDate); current != nil && current.Status != metav1.ConditionTrue {
		f.Outdated[current.Reason]++
	}
	if stalled := s.Condition(status.ConditionStalled); stalled != nil && stalled.Reason == status.ReasonDrifted {
		f.Drifted++
	}
	for _, l := range s.Leases {
		if l.ID != "" {
			f.Leases++
		} else {
			f.Strays++
		}
	}
	if len(s.Leases) > 0 {
		f.Occupied++
	}
	for _, o := range s.Objects {
		if o.Owner == "" { // those of bases are counted once
			f.Objects[o.Kind]++
		}
	}
}

// figures counts the bases, and what they are made of.
func (c *claims) figures(f *Figures) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.bases {
		f.Bases[b.state()]++
		for _, o := range b.objects {
			f.Objects[o.Kind]++
		}
	}
}

func (b *base) state() string {
	switch {
	case b.err != nil:
		return BaseFailing
	case !b.ready:
		return BaseMaking
	case len(b.claimants) == 0:
		return BaseResting
	}
	return BaseInUse
}

// count returns how many statuses are not what they should be.
func (o *outage) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.failed)
}

// manifestFigures counts what the manifests say.
func (c *Controller) manifestFigures() ManifestFigures {
	c.mu.Lock()
	set, deaf := c.set, c.deaf != ""
	c.mu.Unlock()
	f := ManifestFigures{
		Objects: map[string]int{spec.KindSession: 0, spec.KindChroot: 0, spec.KindProfile: 0},
		Folders: map[string]bool{}, Deaf: deaf,
	}
	for k, entry := range set.Entries.All() {
		f.Objects[k.Kind]++
		if entry.Stale {
			f.Stale++
		}
	}
	for _, problems := range set.Files {
		if len(problems) > 0 {
			f.Files++
		}
	}
	for path, problem := range set.Folders {
		f.Folders[path] = problem == ""
	}
	return f
}

// Statuses returns the statuses of a kind's objects as they are told, by name.
func (c *Controller) Statuses(kind string) []status.File {
	var list []status.File
	for _, f := range c.reports.files() {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b status.File) int {
		if a.Metadata.Name < b.Metadata.Name {
			return -1
		}
		return 1
	})
	return list
}

// Unready says what keeps the controller from knowing all there is and what is wanted,
// one line each; nothing once it does.
func (c *Controller) Unready() []string {
	var lines []string
	set, _ := c.manifestsNow()
	if !c.claims.everySeen("") {
		lines = append(lines, "not every session has been looked at yet")
	}
	for _, path := range slices.Sorted(maps.Keys(set.Folders)) {
		if problem := set.Folders[path]; problem != "" {
			lines = append(lines, path+": "+problem)
		}
	}
	if len(set.Folders) == 0 {
		lines = append(lines, "no folder of manifests has been looked at yet")
	} else if !set.Complete() && len(lines) == 0 {
		lines = append(lines, "not every folder of manifests has been read yet")
	}
	return lines
}
