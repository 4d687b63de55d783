package page

import (
	"net/http"
	"slices"

	"coppice.dev/cmd/internal/branches"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// objectPage is all that is known of one object.
type objectPage struct {
	status.File
	Why string
	// Tree is what was made for it, Events the last first.
	Tree   []*branches.Branch
	Events []status.Event
}

// object shows one object of a kind.
func (p *Page) object(kind string) http.HandlerFunc {
	place := map[string]string{spec.KindSession: "sessions", spec.KindChroot: "chroots"}[kind]
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		f, there := p.Source.Status(kind, name)
		if !there {
			p.show(w, http.StatusNotFound, "missing", "Nothing there", place, r.URL.Path)
			return
		}
		shown := objectPage{File: f, Why: why(f.Status), Events: slices.Clone(f.Status.Events)}
		slices.Reverse(shown.Events)
		if kind == spec.KindSession {
			shown.Tree = branches.Of(f, branches.Sharers(p.Source.Statuses(kind), name))
		}
		p.show(w, http.StatusOK, "object", name, place, shown)
	}
}
