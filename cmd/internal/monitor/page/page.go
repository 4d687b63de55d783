package page

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"coppice.dev/spec"
	"coppice.dev/status"
)

// Source is what there is to show.
type Source interface {
	// Statuses returns the statuses of a kind's objects, by name.
	Statuses(kind string) []status.File
	// Status returns one.
	Status(kind, name string) (status.File, bool)
	// News returns a channel that is closed when any status changes next.
	News() <-chan struct{}
	// Unready says what keeps the daemon from knowing all there is, one line each.
	Unready() []string
}

// Page shows a source. Its fields are to be set before Handler is called.
type Page struct {
	Source Source
	// Host is the name of the machine, Version that of the daemon.
	Host, Version string
	// Now tells the time; time.Now if nil.
	Now func() time.Time

	pages map[string]*template.Template
	live  live
}

//go:embed templates static
var files embed.FS

// Handler returns what answers requests for the page.
func (p *Page) Handler() http.Handler {
	if p.Now == nil {
		p.Now = time.Now
	}
	p.live.source = p.Source
	p.pages = map[string]*template.Template{}
	for _, name := range []string{"sessions", "object", "chroots", "events", "manifests", "missing"} {
		p.pages[name] = template.Must(template.New("frame.html").Funcs(words).ParseFS(files, "templates/frame.html", "templates/parts.html", "templates/"+name+".html"))
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // it is there, or the program would not have been built
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.sessions)
	mux.HandleFunc("GET /chroots", p.chroots)
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("GET /manifests", p.manifests)
	mux.HandleFunc("GET /sessions/{name}", p.object(spec.KindSession))
	mux.HandleFunc("GET /chroots/{name}", p.object(spec.KindChroot))
	mux.HandleFunc("GET /live", p.live.serve)
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("/", p.missing)
	return mux
}

// frame is what is on every page.
type frame struct {
	// Title is of this page, Place which part of the whole it is.
	Title, Place  string
	Host, Version string
	Now           time.Time
	// Sessions, Chroots and Wrong count what there is, and the files with problems.
	Sessions, Chroots, Wrong int
	// Unready is what the daemon does not know yet.
	Unready []string
	Body    any
}

// show writes a page; nothing of it if it cannot be made whole.
func (p *Page) show(w http.ResponseWriter, code int, name, title, place string, body any) {
	f := frame{
		Title: title, Place: place, Host: p.Host, Version: p.Version, Now: p.Now(), Unready: p.Source.Unready(), Body: body,
		Sessions: len(p.Source.Statuses(spec.KindSession)), Chroots: len(p.Source.Statuses(spec.KindChroot)), Wrong: len(p.Source.Statuses(status.KindManifest)),
	}
	var text bytes.Buffer
	if err := p.pages[name].Execute(&text, f); err != nil {
		http.Error(w, "this page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(text.Bytes()) // whoever asked may be gone
}

func (p *Page) missing(w http.ResponseWriter, r *http.Request) {
	p.show(w, http.StatusNotFound, "missing", "Nothing there", "", r.URL.Path)
}
