package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// most is how many lines a page has.
const most = 200

// sessionList is the page of all sessions.
type sessionList struct {
	Tiles []tile
	// Phase and Query are what is looked for.
	Phase, Query string
	Lines        []sessionLine
	// Limits is set if one of those shown has a layer with a limit.
	Limits bool
	// Found is how many there are in all, From and To which of them are shown.
	Found, From, To  int
	Earlier, Further string
}

// tile counts the sessions in a phase.
type tile struct {
	Phase  string
	Count  int
	Chosen bool
	Link   string
}

type sessionLine struct {
	status.File
	// Why is what there is to say of one that is not as it should be.
	Why string
}

// sessions shows all sessions, or those that are looked for.
func (p *Page) sessions(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	list := sessionList{Phase: asked.Get("phase"), Query: asked.Get("q")}
	counts := map[string]int{}
	var found []status.File
	for _, f := range p.Source.Statuses(spec.KindSession) {
		if !fits(f, list.Query) {
			continue
		}
		counts[string(f.Status.Phase)]++
		if list.Phase == "" || list.Phase == string(f.Status.Phase) {
			found = append(found, f)
		}
	}
	list.Tiles = tiles(counts, list)
	start, _ := strconv.Atoi(asked.Get("from")) // what is no number is the beginning
	start = min(max(0, start), len(found))
	end := min(start+most, len(found))
	for _, f := range found[start:end] {
		list.Lines = append(list.Lines, sessionLine{f, why(f.Status)})
		list.Limits = list.Limits || limited(f.Status) != nil
	}
	list.Found, list.From, list.To = len(found), start+1, end
	if start > 0 {
		list.Earlier = list.link(list.Phase, max(0, start-most))
	}
	if end < len(found) {
		list.Further = list.link(list.Phase, end)
	}
	p.show(w, http.StatusOK, "sessions", "Sessions", "sessions", list)
}

// fits reports whether a session has to do with what is looked for.
func fits(f status.File, query string) bool {
	query = strings.ToLower(strings.TrimSpace(query))
	for _, text := range []string{f.Metadata.Name, f.Status.Chroot, f.Status.Owner} {
		if strings.Contains(strings.ToLower(text), query) {
			return true
		}
	}
	return false
}

func tiles(counts map[string]int, list sessionList) []tile {
	all := 0
	for _, n := range counts {
		all += n
	}
	made := []tile{{"", all, list.Phase == "", list.link("", 0)}}
	for _, phase := range status.Phases() {
		name := string(phase)
		if n := counts[name]; n > 0 || name == list.Phase || phase == status.Ready || phase == status.Failed {
			made = append(made, tile{name, n, name == list.Phase, list.link(name, 0)})
		}
	}
	return made
}

// link is the address of the list of a phase, from one of its lines on.
func (l sessionList) link(phase string, from int) string {
	query := url.Values{}
	for name, value := range map[string]string{"phase": phase, "q": l.Query, "from": strconv.Itoa(from)} {
		if value != "" && value != "0" {
			query.Set(name, value)
		}
	}
	if len(query) == 0 {
		return "/"
	}
	return "/?" + query.Encode()
}

// why says in a line what is wrong with an object, or done with it.
func why(s status.Status) string {
	for _, kind := range []string{status.ConditionStalled, status.ConditionSuspended} {
		if c := s.Condition(kind); c != nil {
			return firstLine(c.Reason + ": " + c.Message)
		}
	}
	ready := s.Condition(status.ConditionReady)
	if ready != nil && ready.Status != "True" {
		return firstLine(ready.Reason + ": " + ready.Message)
	}
	if c := s.Condition(status.ConditionReconciling); c != nil {
		return firstLine(c.Reason + ": " + c.Message)
	}
	if c := s.Condition(status.ConditionUpToDate); c != nil && c.Status == "False" {
		return firstLine(c.Reason + ": " + c.Message)
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// chroots shows all chroots.
func (p *Page) chroots(w http.ResponseWriter, _ *http.Request) {
	var lines []sessionLine
	for _, f := range p.Source.Statuses(spec.KindChroot) {
		lines = append(lines, sessionLine{f, why(f.Status)})
	}
	p.show(w, http.StatusOK, "chroots", "Chroots", "chroots", lines)
}

// manifests shows the files and folders with problems.
func (p *Page) manifests(w http.ResponseWriter, _ *http.Request) {
	p.show(w, http.StatusOK, "manifests", "Manifests", "manifests", p.Source.Statuses(status.KindManifest))
}

// happening is an event of some object.
type happening struct {
	status.Event
	Kind, Name string
}

// events shows what happened last, to whatever object.
func (p *Page) events(w http.ResponseWriter, _ *http.Request) {
	var all []happening
	for _, kind := range []string{spec.KindSession, spec.KindChroot, spec.KindProfile, status.KindManifest} {
		for _, f := range p.Source.Statuses(kind) {
			for _, e := range f.Status.Events {
				all = append(all, happening{e, kind, f.Metadata.Name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int {
		return cmp.Or(b.Time.Compare(a.Time.Time), cmp.Compare(a.Name, b.Name))
	})
	p.show(w, http.StatusOK, "events", "Events", "events", all[:min(len(all), most)])
}
