// Package browser looks at the daemon's page with a real browser, headless, and at what
// a person would see. It is a module of its own, so that what drives the browser never
// mixes with what Coppice needs.
//
// Pictures are kept in the folder that COPPICE_PICTURES names, if it is set.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// moment is the most that anything may take.
const moment = 30 * time.Second

// bin is the folder of the programs.
var bin string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "coppice-browser-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	bin = dir
	command := exec.Command("go", "build", "-o", dir+"/", "./cmd/coppice", "./cmd/coppiced")
	command.Dir, command.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the programs: %v\n%s", err, out))
	}
	return m.Run()
}

// host is a private prefix with a daemon that has a page.
type host struct {
	t       *testing.T
	base    string
	address string
	daemon  *exec.Cmd
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h := &host{t: t, base: base, address: free.Addr().String()}
	must(t, free.Close())
	for _, dir := range []string{"m", "root/bin", "root/etc", "root/proc", "root/dev", "root/sys"} {
		must(t, os.MkdirAll(filepath.Join(base, dir), 0o755))
	}
	busybox, err := os.ReadFile("/bin/busybox")
	must(t, err)
	must(t, os.WriteFile(base+"/root/bin/busybox", busybox, 0o755))
	for _, tool := range []string{"sh", "sleep", "umount"} {
		must(t, os.Symlink("busybox", base+"/root/bin/"+tool))
	}
	t.Cleanup(func() {
		if h.daemon == nil {
			return
		}
		files, _ := filepath.Glob(base + "/m/*.yaml") // fails for a bad pattern only
		for _, f := range files {
			_ = os.Remove(f)
		}
		h.end(syscall.SIGTERM)
		if out, err := h.command("--once").CombinedOutput(); err != nil {
			t.Errorf("the last sweep: %v\n%s", err, out)
		}
	})
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *host) command(more ...string) *exec.Cmd {
	return exec.Command(bin+"/coppiced", append([]string{
		"--manifest-dir", h.base + "/m", "--state-dir", h.base + "/state", "--run-dir", h.base + "/run", "--max-prune", "-1", "--resync", "2s",
	}, more...)...)
}

func (h *host) start() {
	h.t.Helper()
	h.daemon = h.command("--metrics-listen", h.address)
	must(h.t, h.daemon.Start())
	h.until("the daemon answers", func() bool {
		conn, err := net.Dial("tcp", h.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (h *host) end(s syscall.Signal) {
	_ = h.daemon.Process.Signal(s) // it may have ended
	_ = h.daemon.Wait()            // by that signal
}

func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(moment); !ok(); {
		if time.Now().After(deadline) {
			h.t.Fatalf("waiting until %s: %s is over", what, moment)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// write puts a manifest into the watched folder.
func (h *host) write(name, text string) {
	h.t.Helper()
	must(h.t, os.WriteFile(h.base+"/m/"+name+".yaml", []byte("apiVersion: coppice.dev/v1alpha1\n"+text), 0o644))
}

func (h *host) session(name, more string) {
	h.t.Helper()
	h.write(name, "kind: Session\nmetadata: {name: "+name+"}\nspec: {chrootRef: {name: small}"+more+"}\n")
}

// run runs a command inside a session until the test ends.
func (h *host) run(session string, command ...string) {
	h.t.Helper()
	cmd := exec.Command(bin+"/coppice", append([]string{"--run-dir", h.base + "/run", "exec", session, "--"}, command...)...)
	must(h.t, cmd.Start())
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it ends with its session
		_ = cmd.Wait()
	})
}

// tab is a page of a browser, and what it complained of.
type tab struct {
	h   *host
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func (h *host) open() *tab {
	h.t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.UserDataDir(h.t.TempDir()), chromedp.WindowSize(1280, 900),
	)
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	h.t.Cleanup(end)
	ctx, leave := chromedp.NewContext(allocated)
	h.t.Cleanup(leave)
	b := &tab{h: h, ctx: ctx}
	b.do()
	go func() { // until the browser is gone
		for said, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.complaints = append(b.complaints, fmt.Sprintf("%s: %s", said.Type, said.Text))
			b.mu.Unlock()
		}
	}()
	return b
}

// do lets the browser do things, one after the other.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.h.t.Helper()
	ctx, cancel := b.ctx, context.CancelFunc(func() {})
	if len(actions) > 0 { // the first time is to last
		ctx, cancel = context.WithTimeout(b.ctx, 2*moment)
	}
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.picture("failed")
		b.h.t.Fatal(err)
	}
}

// tells returns what the page answers to a question in its own language.
func tells[T any](b *tab, question string) T {
	b.h.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*moment)
	defer cancel()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](question))
	must(b.h.t, err)
	return answer
}

func (b *tab) visit(path string) {
	b.h.t.Helper()
	b.do(chromedp.Navigate("http://"+b.h.address+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// text is what a person reads.
func (b *tab) text() string {
	b.h.t.Helper()
	return tells[string](b, "document.body ? document.body.innerText : ''")
}

// shows waits until all of that can be read.
func (b *tab) shows(parts ...string) {
	b.h.t.Helper()
	var text, missing string
	for deadline := time.Now().Add(moment); ; time.Sleep(50 * time.Millisecond) {
		text, missing = b.text(), ""
		for _, part := range parts {
			if !strings.Contains(text, part) {
				missing = part
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			b.picture("failed")
			b.h.t.Fatalf("%q cannot be read:\n%s", missing, text)
		}
	}
}

func (b *tab) picture(name string) {
	folder := os.Getenv("COPPICE_PICTURES")
	if folder == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, moment)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err = errors.Join(err, os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644)); err != nil {
		b.h.t.Error(err)
	}
}

// fits wants that nothing sticks out of the window at the side.
func (b *tab) fits(width int64) {
	b.h.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900))
	if tells[bool](b, "document.documentElement.scrollWidth > window.innerWidth") {
		b.picture("too-wide")
		b.h.t.Errorf("at a width of %d something sticks out", width)
	}
}

// quiet wants that the browser had nothing to complain of.
func (b *tab) quiet() {
	b.h.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.h.t.Errorf("the browser complains: %s", c)
	}
}

const nasty = `<img src=x onerror=alert(1)><script>alert(2)</script>`

// TestPage: what changes on the host is seen without a click, from a session's manifest
// to its end, and across a daemon that dies.
func TestPage(t *testing.T) {
	h := newHost(t)
	h.start()
	b := h.open()
	b.visit("/")
	b.shows("There are no sessions", "live", "nothing can be changed here")
	b.picture("empty")
	if title := tells[string](b, "document.title"); !strings.Contains(title, "Sessions") {
		t.Errorf("the title is %q", title)
	}

	// This page is never loaded again: a mark that is left on it would be gone.
	tells[string](b, "window.mark = 'as it was'")
	h.write("small", "kind: Chroot\nmetadata: {name: small}\nspec: {source: {directory: {path: "+h.base+"/root}}, union: {type: overlay}}\n")
	h.session("build-1", ", ttl: 24h")
	h.session("paused", ", suspend: true")
	h.write("broken", "kind: Session\nmetadata: {name: broken}\nspec: {chroot: {source: {directory: {path: "+h.base+"/nowhere}}}}\n")
	h.write("tight", "kind: Session\nmetadata: {name: tight}\nspec: {chroot: {source: {directory: {path: "+h.base+"/root}}, union: {upper: {size: 32Mi}}}}\n")
	b.shows("build-1", "Ready", "small", "broken", "SourceMissing", "make the folder", "paused", "Suspended", "Own layer", "KiB of ")
	h.run("tight", "busybox", "dd", "if=/dev/zero", "of=/much", "bs=1M", "count=40")
	b.shows("nearly full", "Degraded")
	h.run("build-1", "sh", "-c", "sleep 1000; : '"+nasty+"'")
	b.do(chromedp.WaitVisible(chromedp.Search(`//tr[td//a[text()="build-1"]]/td[text()="1"]`)))
	b.picture("sessions")
	if tells[string](b, "window.mark || ''") != "as it was" {
		t.Error("the page was loaded again")
	}

	// One phase, and one name; what is typed stays while the page follows what changes.
	b.do(chromedp.Click(chromedp.CSS(`a.tile.failed`)), chromedp.WaitVisible(chromedp.Search(`//a[@aria-current="true"]//b[text()="1"]`)))
	if text := b.text(); strings.Contains(text, "build-1") || !strings.Contains(text, "broken") {
		t.Errorf("of those that failed one reads\n%s", text)
	}
	b.visit("/")
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "build"))
	h.session("build-2", "")
	b.shows("build-2")
	if typed := tells[string](b, "document.getElementById('q').value"); typed != "build" {
		t.Errorf("what was typed is now %q", typed)
	}
	b.do(chromedp.Submit(chromedp.CSS("#q")), chromedp.WaitVisible(chromedp.Search(`//p[@class="none"] | //a[text()="build-1"]`)))
	b.shows("build-1", "build-2")
	if strings.Contains(b.text(), "broken") {
		t.Error("what was not looked for is shown")
	}

	// One session.
	b.do(chromedp.Click(chromedp.Search(`//a[text()="build-1"]`)), chromedp.WaitVisible(chromedp.CSS("ul.tree")))
	b.shows("/proc", "namespace", "Inside", nasty, "Created", "in 23h")
	b.picture("session")
	b.visit("/sessions/tight")
	b.shows("Own layer", "MiB (9", "union.upper.size")
	b.picture("limited")
	b.visit("/sessions/build-1")
	b.do(chromedp.WaitVisible(chromedp.CSS("ul.tree")))
	h.run("build-1", "umount", "-l", "/proc")
	b.shows("Repaired", "5-mounts/proc: it is not there")
	b.visit("/sessions/broken")
	b.shows("What to do", "make the folder")
	b.picture("broken")

	// Everything else.
	b.visit("/events")
	b.shows("Repaired", "Admitted", "session build-1")
	b.picture("events")
	b.visit("/chroots")
	b.shows("small")
	h.write("bad", "kind: [\n")
	b.do(chromedp.WaitVisible(chromedp.CSS("nav b.bad")), chromedp.Click(chromedp.Search(`//nav//a[starts-with(text(), "Manifests")]`)))
	b.shows("bad.yaml")
	b.picture("manifests")
	must(t, os.Remove(h.base+"/m/bad.yaml"))
	b.quiet()
	b.visit("/sessions/nobody")
	b.shows("Nothing there")

	// A daemon that dies is told of, and the next one found.
	b.visit("/")
	b.shows("live", "build-1")
	h.end(syscall.SIGKILL)
	b.shows("not live: the daemon does not answer")
	b.picture("dead")
	h.start()
	b.do(chromedp.WaitVisible(chromedp.CSS("#live.on")))
	must(t, os.Remove(h.base+"/m/build-2.yaml"))
	h.until("the session that is gone is not shown", func() bool { return !strings.Contains(b.text(), "build-2") })
}

// long is a name as long as one may be.
var long = strings.Repeat("long-", 12) + "est"

// TestEverySize: the pages fit, in the dark too, and can be read without a script.
func TestEverySize(t *testing.T) {
	h := newHost(t)
	h.start()
	h.write("small", "kind: Chroot\nmetadata: {name: small}\nspec: {source: {directory: {path: "+h.base+"/root}}, union: {type: overlay}}\n")
	h.session(long, "")
	h.write("broken", "kind: Session\nmetadata: {name: broken}\nspec: {chroot: {source: {directory: {path: "+h.base+strings.Repeat("/long", 40)+"}}}}\n")
	b := h.open()
	b.visit("/")
	b.shows(long, "broken")
	for _, path := range []string{"/", "/sessions/" + long, "/sessions/broken", "/events", "/chroots", "/manifests"} {
		b.visit(path)
		for _, width := range []int64{360, 768, 1280, 1920} {
			b.fits(width)
		}
	}
	b.visit("/")
	b.do(chromedp.EmulateViewport(360, 900))
	b.picture("narrow")
	b.do(chromedp.EmulateViewport(1280, 700))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	must(t, err)
	b.visit("/sessions/broken")
	b.picture("dark")
	b.quiet()
	_, err = chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	must(t, err)
	b.visit("/")
	b.shows("broken", "SourceMissing", "as it was when this was loaded")
}
