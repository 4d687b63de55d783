package page

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is a source in memory.
type scene struct {
	mu      sync.Mutex
	files   []status.File
	news    chan struct{}
	unready []string
}

func (s *scene) Statuses(kind string) []status.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []status.File
	for _, f := range s.files {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

func (s *scene) Status(kind, name string) (status.File, bool) {
	for _, f := range s.Statuses(kind) {
		if f.Metadata.Name == name {
			return f, true
		}
	}
	return status.File{}, false
}

func (s *scene) News() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *scene) Unready() []string { return s.unready }

// change tells that something did.
func (s *scene) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(ago time.Duration) *metav1.Time {
	t := metav1.NewTime(now.Add(-ago))
	return &t
}

func file(kind, name string, s status.Status) status.File {
	return status.File{TypeMeta: metav1.TypeMeta{Kind: kind}, Metadata: status.Metadata{Name: name}, Status: s}
}

func condition(kind, is, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(is), Reason: reason, Message: message, LastTransitionTime: *at(time.Minute)}
}

// nasty is what somebody might call a command.
const nasty = `<img src=x onerror=alert(1)>"'&`

func newScene() *scene {
	return &scene{news: make(chan struct{}), unready: []string{"/gone: " + nasty}, files: []status.File{
		file("Session", "a", status.Status{
			Phase: status.Ready, Chroot: "bookworm", Owner: nasty, Admitted: at(90 * time.Minute), Expires: at(-time.Hour), Root: "/run/a/root",
			Conditions: []metav1.Condition{condition("Ready", "True", "Converged", "9 objects")},
			Leases:     []status.Lease{{ID: "1", PID: 77, User: "alice", Command: nasty, Since: *at(time.Minute)}, {PID: 78, Command: "stray", Since: *at(0)}},
			Objects: []status.Object{
				{Owner: "base/0123", Address: "1-device/image", Kind: "Image", Name: "/dev/loop3"},
				{Address: "4-root/namespace", Kind: "Namespace", Name: "/run/ns/a"}, {Address: "5-mounts/dev", Kind: "Mount"},
				{Address: "5-mounts/dev/pts", Kind: "Mount", Problem: "it is broken"}, {Address: "8-task/hook-x", Kind: "Hook", Note: nasty},
				{Address: "2-layer/store", Kind: "Store", Name: "/dev/loop9", Used: 29 << 20, Limit: 32 << 20},
			},
			Events: []status.Event{{Time: *at(time.Hour), Type: "Normal", Reason: "Created", Message: "first"}, {Time: *at(time.Minute), Type: "Warning", Reason: "Busy", Message: nasty, Count: 3}},
		}),
		file("Session", "b", status.Status{
			Phase: status.Provisioning, Conditions: []metav1.Condition{condition("Ready", "False", "WaitingForBase", "it is unpacked\nmore")},
			Step:    &status.Step{Operation: "Create", Address: "2-layer/tree", Since: *at(time.Minute), Done: 1 << 20, Total: 4 << 20},
			Objects: []status.Object{{Owner: "base/0123", Address: "1-device/image", Kind: "Image"}},
		}),
		file("Session", "c", status.Status{
			Phase: status.Failed, Conditions: []metav1.Condition{condition("Ready", "False", "Busy", "held"), condition("Stalled", "True", "Busy", "it is held")},
			Advice: "end it", Blockers: []status.Blocker{{PID: 5, User: "bob", Command: nasty, Path: "/x", Free: "kill 5"}, {Command: "/dev/loop1", Free: "losetup -d /dev/loop1"}},
			Problems: []string{nasty}, NextRetry: at(-time.Minute), Source: &status.Source{Manifest: "/etc/x.yaml", Line: 3},
		}),
		file("Chroot", "bookworm", status.Status{Phase: status.Ready, Sessions: []string{"a"}, OpenedBy: "a"}),
		file("Manifest", "/etc/"+nasty, status.Status{Phase: status.Failed, Problems: []string{"m.yaml:1: " + nasty}}),
	}}
}

func serve(t *testing.T, s *scene) *httptest.Server {
	t.Helper()
	p := &Page{Source: s, Host: "host1", Version: "1.2.3", Now: func() time.Time { return now }}
	server := httptest.NewServer(p.Handler())
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, server *httptest.Server, path string) (int, string) {
	t.Helper()
	answer, err := server.Client().Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(answer.Body).WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text.String()
}

// TestPages: each says what there is to say, and nothing that anybody wrote becomes
// part of the page.
func TestPages(t *testing.T) {
	server := serve(t, newScene())
	for path, row := range map[string]struct {
		code int
		says []string
		not  []string
	}{
		"/":                          {200, []string{"<b>3</b> all", `href="/sessions/a"`, "WaitingForBase: it is unpacked<", `value="25"`, "host1", "Not ready: /gone", "1h30m ago|90m ago", "Own layer", `value="90"></meter> 29 MiB of 32 MiB`, `<b class="bad">1</b>`}, []string{"more"}},
		"/?phase=Failed":             {200, []string{`href="/sessions/c"`, "Busy: it is held"}, []string{`href="/sessions/a"`, "Own layer"}},
		"/?q=BOOKW":                  {200, []string{`href="/sessions/a"`, `value="BOOKW"`}, []string{`href="/sessions/b"`}},
		"/?q=%3Cscript%3E":           {200, []string{"There is no such session"}, nil},
		"/?phase=%22%3E%3Cscript%3E": {200, []string{"There is no such session"}, nil},
		"/?from=-5":                  {200, []string{`href="/sessions/a"`}, nil},
		"/?from=x":                   {200, []string{`href="/sessions/a"`}, nil},
		"/?from=99999":               {200, []string{"There are no sessions|earlier"}, nil},
		"/sessions/a":                {200, []string{"/dev/pts", "it is broken", "shared with <a href=\"/sessions/b\">b</a>", "without a lease", "in 60m", "×3", "alice", "hook-x", "29 MiB of 32 MiB (90%)", `<span class="fill"><meter`}, nil},
		"/sessions/b":                {200, []string{"1 MiB of 4 MiB", `value="25"`, "Nobody."}, nil},
		"/sessions/c":                {200, []string{"What to do: <bdi>end it", "kill 5", "losetup -d /dev/loop1", "/etc/x.yaml", "line 3", "in 60s"}, nil},
		"/sessions/none":             {404, []string{"Nothing there"}, nil},
		"/sessions/..%2f..%2fetc":    {404, []string{"Nothing there"}, nil},
		"/chroots":                   {200, []string{`href="/chroots/bookworm"`, `its source is open in <a href="/sessions/a">`}, nil},
		"/chroots/bookworm":          {200, []string{`href="/sessions/a"`}, nil},
		"/events":                    {200, []string{"Created", "first", "Busy"}, nil},
		"/manifests":                 {200, []string{"m.yaml:1"}, nil},
		"/static/page.css":           {200, []string{"prefers-color-scheme"}, nil},
		"/static/page.js":            {200, []string{"EventSource"}, nil},
		"/static/../templates/":      {404, nil, nil},
		"/nothing/<script>":          {404, []string{"Nothing there"}, nil},
	} {
		code, text := get(t, server, path)
		if code != row.code {
			t.Errorf("%s: code %d, want %d", path, code, row.code)
		}
		for _, says := range row.says {
			found := false
			for one := range strings.SplitSeq(says, "|") {
				found = found || strings.Contains(text, one)
			}
			if !found {
				t.Errorf("%s does not say %q:\n%s", path, says, text)
			}
		}
		for _, not := range append(row.not, "<img src=x", "ZgotmplZ", `="><script`) {
			if strings.Contains(text, not) {
				t.Errorf("%s says %q:\n%s", path, not, text)
			}
		}
		if strings.Count(text, "<script") > strings.Count(text, `<script src="/static/page.js" defer>`) || strings.Contains(text, " style=") || strings.Contains(text, "onclick") {
			t.Errorf("%s holds what the browser is told to refuse:\n%s", path, text)
		}
	}
}

// TestManySessions are shown in parts.
func TestManySessions(t *testing.T) {
	s := newScene()
	s.files = nil
	for i := range 450 {
		s.files = append(s.files, file("Session", fmt.Sprintf("s%03d", i), status.Status{Phase: status.Ready}))
	}
	server := serve(t, s)
	_, text := get(t, server, "/")
	if strings.Count(text, "<tr><td>") != most || !strings.Contains(text, "1 to 200 of 450") || !strings.Contains(text, `href="/?from=200"`) {
		t.Errorf("the first part is\n%s", text)
	}
	_, text = get(t, server, "/?from=400&phase=Ready")
	if strings.Count(text, "<tr><td>") != 50 || !strings.Contains(text, "401 to 450 of 450") || !strings.Contains(text, `href="/?from=200&amp;phase=Ready"`) {
		t.Errorf("the last part is\n%s", text)
	}
}

// TestLive tells a browser of changes, and lets go of one that left.
func TestLive(t *testing.T) {
	s := newScene()
	server := serve(t, s)
	listen := func() (*bufio.Reader, context.CancelFunc, *http.Response) {
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/live", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		return bufio.NewReader(answer.Body), cancel, answer
	}
	hears := func(r *bufio.Reader) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("nothing more is told: %v", err)
			}
			if line == "data: changed\n" {
				return
			}
		}
	}
	r, leave, answer := listen()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("it is told as %q", kind)
	}
	hears(r) // at once, since something may have changed since the page was written
	for range 2 {
		s.change()
		hears(r)
	}
	leave()
	answer.Body.Close()
	// No more than a crowd may listen.
	for range crowd {
		_, leave, answer := listen()
		defer answer.Body.Close()
		defer leave()
		if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("code %d", answer.StatusCode)
		}
	}
	_, leave, answer = listen()
	defer answer.Body.Close()
	defer leave()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered by %d", answer.StatusCode)
	}
}
