package controller_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"coppice.dev/controller"
	"coppice.dev/manifests"
	"coppice.dev/reconcile"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fake"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// room is a world with a folder of manifests and, at times, a controller. Time
// is that of a bubble of testing/synctest.
type room struct {
	t     testing.TB
	world *world
	// machine is worked on instead of the world if it is there.
	machine *fake.Machine
	folder  string
	status  string
	source  *manifests.Source
	// quotas is set if Inspect finds that the machine offers them.
	quotas bool
	// missing are the sources that Inspect does not find.
	missing map[string]bool
	// accounts are what the last single convergence told of owners.
	accounts []controller.Account
	// ephemeral is set when the folder does not survive a reboot.
	ephemeral bool
	// set may change the controller before it runs.
	set func(*controller.Controller)

	controller *controller.Controller
	stop       func() error
}

// bubble runs a test with a room in which a controller runs.
func bubble(t *testing.T, test func(*room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.start()
		defer func() { r.halt() }()
		test(r)
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		for _, w := range r.world.wrong {
			t.Error("this must never happen: " + w)
		}
	})
}

func newRoom(t testing.TB) *room {
	r := &room{
		t: t, world: newWorld(), folder: filepath.Join(t.TempDir(), "manifests"), status: filepath.Join(t.TempDir(), "status"),
		missing: map[string]bool{},
	}
	if err := os.Mkdir(r.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// prepare makes a controller, and reads the folder for the first time.
func (r *room) prepare() {
	r.t.Helper()
	writer, err := status.New(r.status)
	if err != nil {
		r.t.Fatal(err)
	}
	var kernel reconcile.Kernel = r.world
	if r.machine != nil {
		kernel = r.machine.Start()
	}
	r.controller = controller.New(kernel, r.world.layout, writer)
	r.controller.Workers = 2
	r.controller.Inspect = func(_ context.Context, s spec.Source) (compile.Facts, error) {
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		switch {
		case s.Directory != nil && r.missing[s.Directory.Path]:
			return compile.Facts{}, &fault.Fault{Reason: fault.SourceMissing, Doing: "look at " + s.Directory.Path, Err: fs.ErrNotExist}
		case s.Loopback != nil:
			return compile.Facts{FSType: "ext4", Contents: object.FileIdentity{Inode: uint64(len(s.Loopback.Path)), Size: 1}}, nil
		}
		return compile.Facts{Quota: r.quotas}, nil
	}
	if r.set != nil {
		r.set(r.controller)
	}
	r.source = &manifests.Source{Folders: []manifests.Folder{{Path: r.folder, Ephemeral: r.ephemeral}}, OnChange: r.controller.Changed}
	r.source.Refresh()
}

// start begins a controller that knows nothing.
func (r *room) start() {
	r.t.Helper()
	r.prepare()
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.controller.Run(ctx) }()
	r.stop = func() error {
		cancel()
		return <-done
	}
	synctest.Wait()
}

// halt ends the controller, as SIGTERM does.
func (r *room) halt() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("the controller ended with %v", err)
	}
}

// restart ends the controller and begins another one.
func (r *room) restart() {
	r.t.Helper()
	r.halt()
	r.start()
}

// write puts a manifest into the folder and has it read. Some time passes.
func (r *room) write(file string, documents ...string) {
	r.t.Helper()
	text := strings.Join(documents, "\n---\n")
	if err := os.WriteFile(filepath.Join(r.folder, file), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.refresh()
}

// remove takes a manifest away.
func (r *room) remove(file string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.folder, file)); err != nil {
		r.t.Fatal(err)
	}
	r.refresh()
}

// refresh has the folder read and lets a moment pass, less than a resync.
func (r *room) refresh() {
	r.source.Refresh()
	r.wait(time.Second)
}

// wait lets time pass and everything come to rest.
func (r *room) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// of returns the status of an object; a zero one if there is none.
func (r *room) of(kind, name string) status.File {
	r.t.Helper()
	f, err := status.Read(r.status, kind, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Error(err)
	}
	return f
}

func (r *room) session(name string) status.File { r.t.Helper(); return r.of("Session", name) }

// phase checks the phase of a session, and returns its status.
func (r *room) phase(name string, want status.Phase) status.File {
	r.t.Helper()
	f := r.session(name)
	if f.Status.Phase != want {
		r.t.Fatalf("session %s is %q, want %q: %s", name, f.Status.Phase, want, told(f))
	}
	return f
}

// none checks that nothing is told of a session.
func (r *room) none(name string) {
	r.t.Helper()
	if f := r.session(name); f.Status.Phase != "" {
		r.t.Errorf("session %s is %q: %s", name, f.Status.Phase, told(f))
	}
}

// says checks a condition: "Ready=False/Reason", and parts of its message.
func says(t *testing.T, f status.File, want string, parts ...string) {
	t.Helper()
	kind, rest, _ := strings.Cut(want, "=")
	c := f.Status.Condition(kind)
	if c == nil {
		t.Fatalf("%s has no condition %s: %s", f.Metadata.Name, kind, told(f))
	}
	if got := string(c.Status) + "/" + c.Reason; got != rest {
		t.Fatalf("%s has %s=%s, want %s: %s", f.Metadata.Name, kind, got, rest, c.Message)
	}
	for _, part := range parts {
		if !strings.Contains(c.Message, part) {
			t.Errorf("%s of %s says %q, want %q in it", kind, f.Metadata.Name, c.Message, part)
		}
	}
}

// told returns conditions and events on lines of their own.
func told(f status.File) string {
	var b strings.Builder
	for _, c := range f.Status.Conditions {
		b.WriteString("\n  " + c.Type + "=" + string(c.Status) + " " + c.Reason + ": " + c.Message)
	}
	for _, e := range f.Status.Events {
		b.WriteString("\n  event " + e.Reason + ": " + e.Message)
	}
	return b.String()
}

// happened checks that an event was told.
func happened(t *testing.T, f status.File, reason string, parts ...string) {
	t.Helper()
	for _, e := range f.Status.Events {
		fits := e.Reason == reason
		for _, part := range parts {
			fits = fits && strings.Contains(e.Message, part)
		}
		if fits {
			return
		}
	}
	t.Errorf("no event %s with %q: %s", reason, parts, told(f))
}

// manifest returns a document. Lines of the spec are separated by ";".
func manifest(kind, name, lines string) string {
	return "apiVersion: coppice.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec:\n  " +
		strings.ReplaceAll(lines, ";", "\n  ")
}

func directory(name string) string {
	return manifest("Chroot", name, "source: {directory: {path: /srv/"+name+"}};union: {type: overlay}")
}

func image(name, union string) string {
	return manifest("Chroot", name, "source: {loopback: {path: /srv/image}};union: {type: "+union+"}")
}

func session(name, chroot string, more ...string) string {
	return manifest("Session", name, strings.Join(append([]string{"chrootRef: {name: " + chroot + "}"}, more...), ";"))
}
