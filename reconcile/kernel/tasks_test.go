package kernel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/reconcile"
	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/spec"
)

// fails converges to a session that cannot be made, and returns why.
func (h *host) fails(r compile.Result) error {
	h.t.Helper()
	_, err := reconcile.Converge(h.ctx(), h.kernel, r.Objects[0].Owner, r.Objects, plan.Policy{}, reconcile.Trace{})
	if err == nil {
		h.t.Fatal("it was made")
	}
	return err
}

func (h *host) withFile(root, source string, mounts ...spec.Mount) compile.Result {
	h.t.Helper()
	s := inline(spec.Source{Directory: &spec.DirectorySource{Path: root}}, nil)
	s.Profile = &spec.ProfileSpec{CopyFiles: []string{source}, Mounts: mounts}
	return h.session("s", s)
}

// A file is copied to a path inside whose links may lead anywhere; all of them
// lead inside.
func TestCopiedFilesStayInside(t *testing.T) {
	for _, row := range []struct {
		name  string
		links map[string]string // in the root, by path
		at    string            // where the copy ends up inside
	}{
		{"no link", nil, "/conf/file"},
		{"the file is a link into the root", map[string]string{"conf/file": "../etc/real"}, "/etc/real"},
		{"the file is a link to the host's /etc", map[string]string{"conf/file": "/etc/real"}, "/etc/real"},
		{"the file is a link far out", map[string]string{"conf/file": "../../../../../../etc/real"}, "/etc/real"},
		{"the file is a link to nowhere", map[string]string{"conf/file": "/run/gone/file"}, "/conf/file"},
		{"the folder is a link", map[string]string{"conf": "/etc"}, "/etc/file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHost(t)
			root := h.root("root")
			source := filepath.Join(h.base, "conf", "file")
			// Inside it has the same path as outside: lay out the folders there.
			inside := filepath.Join(root, filepath.Dir(h.base), filepath.Base(h.base))
			must(t, os.MkdirAll(inside, 0o755))
			must(t, os.MkdirAll(filepath.Dir(source), 0o755))
			must(t, os.WriteFile(source, []byte("copied"), 0o640))
			for path, to := range row.links {
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(inside, path)), 0o755))
				must(t, os.Symlink(to, filepath.Join(inside, path)))
			}
			at := row.at
			if strings.HasPrefix(at, "/conf") {
				at = h.base + at
			} else if to := row.links["conf/file"]; strings.HasPrefix(to, "../etc") {
				at = h.base + at
			}
			must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(at)), 0o755))
			h.converge(h.withFile(root, source))
			h.inside("s", func() error {
				info, err := os.Lstat(at)
				if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o640 {
					t.Errorf("the copy at %s: %v, %v", at, info, err)
				}
				return nil
			})
			if _, err := os.Lstat("/etc/real"); err == nil {
				t.Error("it was written on the host")
			}
			if left, _ := filepath.Glob(root + "/etc/real"); len(left) > 0 {
				t.Error("it was written to the source")
			}
		})
	}
}

func TestCopiedFilesAreNotWrittenToTheHost(t *testing.T) {
	h := newHost(t)
	shared := filepath.Join(h.base, "shared")
	must(t, os.Mkdir(shared, 0o755))
	source := filepath.Join(h.base, "file")
	must(t, os.WriteFile(source, nil, 0o644))
	r := h.withFile(h.root("root"), source, spec.Mount{Type: spec.MountBind, Source: shared, Target: h.base})
	if err := h.fails(r); fault.ReasonOf(err) != fault.TargetUnusable {
		t.Errorf("error %v, want %s", err, fault.TargetUnusable)
	}
	if left, err := os.ReadDir(shared); err != nil || len(left) > 0 {
		t.Errorf("written to the host's folder: %v, %v", left, err)
	}
}

func TestWhatCannotBeCopied(t *testing.T) {
	for reason, lay := range map[fault.Reason]func(string) error{
		fault.SourceMissing:  func(string) error { return nil },
		fault.SourceUnusable: func(path string) error { return unix.Mkfifo(path, 0o644) },
	} {
		h := newHost(t)
		source := filepath.Join(h.base, "file")
		must(t, lay(source))
		if err := h.fails(h.withFile(h.root("root"), source)); fault.ReasonOf(err) != reason {
			t.Errorf("error %v, want %s", err, reason)
		}
	}
}

func TestHooksThatGoWrong(t *testing.T) {
	for _, row := range []struct {
		name  string
		hook  spec.Hook
		words string
	}{
		{"it fails", spec.Hook{Command: []string{"/bin/sh", "-c", "echo out; echo no luck >&2; exit 5"}}, "no luck"},
		{"it is not there", spec.Hook{Command: []string{"/no/such"}}, "no such program"},
		{"it may not be run", spec.Hook{Command: []string{"/etc/passwd"}}, "chmod +x"},
		{"it takes too long", spec.Hook{Command: []string{"/bin/sleep", "100"}, Timeout: &metav1.Duration{Duration: time.Second}}, "longer timeout"},
		{"it leaves a child behind", spec.Hook{Command: []string{"/bin/sh", "-c", "sleep 100 & exit 1"}}, "exit status 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHost(t)
			log := filepath.Join(h.base, "log")
			row.hook.Name = "hook"
			row.hook.Undo = []string{"/bin/sh", "-c", "echo undone >> " + log}
			s := inline(spec.Source{Directory: &spec.DirectorySource{Path: h.root("root")}}, nil)
			s.Profile = &spec.ProfileSpec{Hooks: []spec.Hook{row.hook}}
			r := h.session("s", s)
			err := h.fails(r)
			if fault.ReasonOf(err) != fault.HookFailed || !strings.Contains(err.Error(), row.words) {
				t.Errorf("error %v, want %s with %q", err, fault.HookFailed, row.words)
			}
			// Begun is begun: it is undone before it is tried again, and at the end.
			h.fails(r)
			h.to(object.SessionOwner("s"), nil)
			text, err := os.ReadFile(log)
			if err != nil || strings.Count(string(text), "undone") != 2 {
				t.Errorf("undone: %q, %v", text, err)
			}
		})
	}
}

// A volatile upper that was written to before the machine went down cannot be
// trusted; one of the same boot can.
func TestVolatileUpperIsMadeAnewAfterABoot(t *testing.T) {
	for _, boot := range []bool{false, true} {
		h := newHost(t)
		r := h.session("s", inline(spec.Source{Directory: &spec.DirectorySource{Path: h.root("root")}}, &spec.Union{Type: spec.UnionOverlay, Volatile: new(true)}))
		h.converge(r)
		h.inside("s", func() error { return os.WriteFile("/written", nil, 0o644) })
		// The machine goes down: the run-time folder is gone, and all mounts.
		pin, _, _, err := h.kernel.Room().Instance("s")
		must(t, err)
		must(t, unix.Unmount(h.layout.View("s"), 0))
		must(t, unix.Unmount(pin, unix.MNT_DETACH))
		if boot {
			must(t, os.WriteFile(h.layout.Upper("s")+".boot", []byte("another boot\n"), 0o600))
		}
		h.converge(r)
		h.inside("s", func() error {
			if _, err := os.Stat("/written"); (err == nil) == boot {
				t.Errorf("after a boot %t: what was written: %v", boot, err)
			}
			return nil
		})
	}
}
