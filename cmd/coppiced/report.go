package main

import (
	"slices"
	"strings"

	"coppice.dev/controller"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/status"
)

// outcome says in a word what became of something.
type outcome string

// The outcomes.
const (
	outcomeNew      outcome = "new"       // it was not there, and is now
	outcomeCameBack outcome = "came back" // its root was gone, as after a reboot
	outcomeRepaired outcome = "repaired"  // something else of it was not as wanted
	outcomeAsItWas  outcome = "as it was" // nothing was done
	outcomeExpired  outcome = "expired"   // its time to live is over
	outcomeAsleep   outcome = "suspended" // it is left as it is, since somebody said so
	outcomeSwept    outcome = "swept"     // nobody wants it, and it is gone
	outcomeNotReady outcome = "not ready" // it is not as wanted
)

// report is what one convergence found and did. Its JSON form is what --output
// json prints.
type report struct {
	Sessions []entry `json:"sessions"`
	Bases    []entry `json:"bases"`
	// Others are manifests, chroots and profiles that cannot be used.
	Others []entry `json:"others"`
	Trash  trash   `json:"trash"`
	// LeftAlone is what lies among our things and is not ours.
	LeftAlone []kernel.Stranger `json:"leftAlone"`
	// Totals count the sessions and bases by outcome: "sessions swept".
	Totals map[string]int `json:"totals"`
	// FreedBytes is how much of the disk what went had held.
	FreedBytes int64 `json:"freedBytes"`
}

// entry is what there is to tell of one session, base or other object.
type entry struct {
	Name    string  `json:"name"`
	Source  string  `json:"source,omitempty"` // of a base
	Outcome outcome `json:"outcome"`
	// Reason is that of the condition Ready, if it is not.
	Reason string `json:"reason,omitempty"`
	// Message says what was found and done, for people.
	Message    string  `json:"message,omitempty"`
	Found      []found `json:"found,omitempty"`
	Did        []did   `json:"did,omitempty"`
	FreedBytes int64   `json:"freedBytes,omitempty"`
}

// found is an object that was there at first.
type found struct {
	Address object.Address `json:"address"`
	Kind    object.Kind    `json:"kind"`
	Name    string         `json:"name,omitempty"`
	Problem string         `json:"problem,omitempty"`
	Note    string         `json:"note,omitempty"`
}

// did is a step that was taken.
type did struct {
	Operation plan.Op        `json:"operation"`
	Address   object.Address `json:"address"`
	Kind      object.Kind    `json:"kind"`
	Why       string         `json:"why,omitempty"`
}

// trash tells of what waited to be removed.
type trash struct {
	// Found is how many trees were there from before.
	Found int `json:"found"`
	// Removed is how many were removed, these and what was thrown away now.
	Removed int    `json:"removed"`
	Problem string `json:"problem,omitempty"`
}

// newReport sums a convergence up.
func newReport(s controller.Summary) report {
	r := report{Sessions: []entry{}, Bases: []entry{}, Others: []entry{}, LeftAlone: []kernel.Stranger{}, Totals: map[string]int{}}
	unready := map[string]controller.Unready{}
	for _, u := range slices.Concat(s.NotReady, s.Suspended) {
		unready[u.Name] = u
	}
	told := map[string]bool{}
	for _, a := range s.Accounts {
		list, name := &r.Sessions, "Session/"+a.Owner.Name
		if a.Owner.Class == object.Base {
			list, name = &r.Bases, "Base/"+a.Owner.Name
		}
		told[name] = true
		u, is := unready[name]
		if e := newEntry(a, u, is, slices.Contains(s.Ready, name)); e.Outcome != "" {
			*list = append(*list, e)
			r.FreedBytes += a.Freed
		}
	}
	for _, u := range slices.Concat(s.NotReady, s.Suspended) {
		if told[u.Name] {
			continue
		}
		e := unmade(entry{Name: u.Name}, u)
		switch kind, name, _ := strings.Cut(u.Name, "/"); kind {
		case "Session":
			e.Name = name
			r.Sessions = append(r.Sessions, e)
		case "Base":
			e.Name = name
			r.Bases = append(r.Bases, e)
		default:
			r.Others = append(r.Others, e)
		}
	}
	slices.SortFunc(r.Sessions, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	for kind, list := range map[string][]entry{"sessions": r.Sessions, "bases": r.Bases, "others": r.Others} {
		for _, e := range list {
			r.Totals[kind+" "+string(e.Outcome)]++
		}
	}
	return r
}

// newEntry sums up what there is to tell of an owner; without an outcome, if that
// is nothing.
func newEntry(a controller.Account, u controller.Unready, unready, ready bool) entry {
	e := entry{Name: a.Owner.Name, Source: a.Source, FreedBytes: a.Freed}
	for _, o := range a.Found {
		e.Found = append(e.Found, found{o.Address, o.Kind, o.Name, o.Damage, o.Note})
	}
	for _, s := range a.Taken {
		e.Did = append(e.Did, did{s.Op, s.ID.Address, s.Kind(), s.Reason})
	}
	e.Outcome = outcomeOf(a, unready, ready)
	switch e.Outcome {
	case outcomeNotReady:
		return unmade(e, u)
	case outcomeSwept:
		e.Message = strings.Join(slices.DeleteFunc([]string{a.Ended, swept(a)}, func(s string) bool { return s == "" }), ": ")
	default:
		e.Message = made(a, e.Outcome == outcomeCameBack)
	}
	return e
}

// unmade says why something is not as wanted.
func unmade(e entry, u controller.Unready) entry {
	e.Outcome, e.Reason, e.Message = outcomeNotReady, u.Reason, u.Message
	if u.Phase == status.Suspended {
		e.Outcome, e.Reason = outcomeAsleep, ""
	}
	return e
}

func outcomeOf(a controller.Account, unready, ready bool) outcome {
	var root, home bool
	for _, o := range a.Found {
		root = root || o.Kind == object.KindNamespace && o.Damage == ""
		home = home || o.Kind == object.KindHome
	}
	makesRoot := slices.ContainsFunc(a.Taken, func(s plan.Step) bool { return s.Op == plan.Create && s.Kind() == object.KindNamespace })
	switch {
	case unready:
		return outcomeNotReady
	case len(a.Left) == 0 && len(a.Taken) == 0:
		return ""
	case len(a.Left) == 0:
		return outcomeSwept
	case a.Owner.Class == object.Session && !ready:
		return outcomeExpired
	case len(a.Taken) == 0:
		return outcomeAsItWas
	case len(a.Found) == 0:
		return outcomeNew
	case home && !root && makesRoot:
		return outcomeCameBack
	default:
		return outcomeRepaired
	}
}
