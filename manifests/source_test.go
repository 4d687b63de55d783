package manifests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// names of the sessions that a set has.
func names(s Set) string { return strings.Join(s.Names("Session"), " ") }

// problems of all files and folders.
func problems(s Set) string {
	var all []string
	for _, p := range s.Files {
		all = append(all, p...)
	}
	for _, p := range s.Folders {
		all = append(all, p)
	}
	return strings.Join(all, "\n")
}

func TestWhatIsRead(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/m", 0o755))
	m := dir + "/m"
	for _, name := range []string{"a.yaml", "b.yml", ".hidden.yaml", "c.yaml~", "d.yaml.swp", "#e.yaml", "f.txt", ".g.yaml.Ab12Cd", "h"} {
		write(t, m+"/"+name, session(strings.Trim(strings.ReplaceAll(strings.ToLower(name), ".", "-"), "-#~"), 1))
	}
	must(t, os.Mkdir(m+"/folder.yaml", 0o755))
	must(t, unix.Mkfifo(m+"/fifo.yaml", 0o644))
	must(t, os.Mkdir(m+"/..data", 0o755))
	write(t, m+"/..data/linked", session("linked", 1))
	must(t, os.Symlink("..data/linked", m+"/linked.yaml"))
	write(t, dir+"/outside.yaml", session("outside", 1))
	must(t, os.Symlink(dir+"/outside.yaml", m+"/absolute.yaml"))
	must(t, os.Symlink("../outside.yaml", m+"/relative.yaml"))
	must(t, os.Symlink("nowhere", m+"/dangling.yaml"))
	write(t, m+"/large.yaml", strings.Repeat("#", 2<<20))
	write(t, m+"/open.yaml", session("open", 1))
	must(t, os.Chmod(m+"/open.yaml", 0o666))
	if os.Getuid() == 0 {
		must(t, unix.Mknod(m+"/device.yaml", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5)))) // /dev/zero never ends
		write(t, m+"/theirs.yaml", session("theirs", 1))
		must(t, os.Chown(m+"/theirs.yaml", 12345, 0))
	}
	done := make(chan Set)
	go func() {
		s := &Source{Folders: []Folder{{Path: m}}}
		done <- s.Refresh()
	}()
	select {
	case s := <-done:
		if got := names(s); got != "a-yaml b-yml linked" {
			t.Errorf("sessions %q", got)
		}
		for _, want := range []string{"link out of the folder", "no regular file", "split it", "chmod go-w " + m + "/open.yaml"} {
			if !strings.Contains(problems(s), want) {
				t.Errorf("nothing is said of %q:\n%s", want, problems(s))
			}
		}
	case <-time.After(30 * time.Second):
		t.Fatal("blocked by something in the folder")
	}
}

func TestFoldersThatOthersMayWriteToAreRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.yaml", session("a", 1))
	must(t, os.Chmod(dir, 0o777))
	s := &Source{Folders: []Folder{{Path: dir}}}
	if set := s.Refresh(); names(set) != "" || set.Complete() || !strings.Contains(problems(set), "chmod go-w "+dir) {
		t.Errorf("sessions %q, problems %q", names(set), problems(set))
	}
}

// watching runs a source and lets a test wait for what it says.
type watching struct {
	t    *testing.T
	sets chan Set
	last Set
}

func follow(t *testing.T, folder string) *watching {
	t.Helper()
	return followAll(t, Folder{Path: folder})
}

func followAll(t *testing.T, folders ...Folder) *watching {
	t.Helper()
	w := &watching{t: t, sets: make(chan Set, 10000)}
	s := &Source{OnChange: func(set Set, _ []Key) { w.sets <- set }, Resync: time.Hour, Folders: folders}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return w
}

// until waits for a set that is as wanted.
func (w *watching) until(what string, ok func(Set) bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case w.last = <-w.sets:
			if ok(w.last) {
				return
			}
		case <-deadline:
			w.t.Fatalf("waiting until %s: sessions %q, problems %q", what, names(w.last), problems(w.last))
		}
	}
}

func (w *watching) has(want string) {
	w.t.Helper()
	w.until("the sessions are "+want, func(s Set) bool { return names(s) == want })
}

func TestChangesAreHeard(t *testing.T) {
	dir := t.TempDir()
	w := follow(t, dir)
	w.has("")
	write(t, dir+"/a.yaml", session("a", 1))
	w.has("a")
	if changed, err := Drop(dir, Key{"Session", "b"}, []byte(session("b", 1))); err != nil || !changed {
		t.Fatal(changed, err)
	}
	w.has("a b")
	if changed, err := Drop(dir, Key{"Session", "b"}, []byte(session("b", 1))); err != nil || changed {
		t.Error("dropping the same again changed something", err)
	}
	if there, err := Remove(dir, Key{"Session", "b"}); err != nil || !there {
		t.Error(there, err)
	}
	w.has("a")
	if there, err := Remove(dir, Key{"Session", "b"}); err != nil || there {
		t.Error(there, err)
	}
}

// The steps of git-sync: a new work tree, a link made beside and renamed over
// the old one, the old tree removed file by file.
func TestSyncByLink(t *testing.T) {
	root := t.TempDir()
	tree := func(name string, sessions ...string) {
		must(t, os.MkdirAll(filepath.Join(root, ".worktrees", name), 0o755))
		for _, s := range sessions {
			write(t, filepath.Join(root, ".worktrees", name, s+".yaml"), session(s, 1))
		}
	}
	flip := func(name string) {
		must(t, os.Symlink(".worktrees/"+name, root+"/tmp-link"))
		must(t, os.Rename(root+"/tmp-link", root+"/current"))
	}
	tree("1", "a", "b")
	flip("1")
	w := follow(t, root+"/current")
	w.has("a b")
	for i := 2; i < 6; i++ {
		tree(strconv.Itoa(i), "a", fmt.Sprintf("n%d", i))
		flip(strconv.Itoa(i))
		old := filepath.Join(root, ".worktrees", strconv.Itoa(i-1))
		entries, err := os.ReadDir(old)
		must(t, err)
		for _, e := range entries {
			must(t, os.Remove(filepath.Join(old, e.Name())))
		}
		must(t, os.Remove(old))
		w.until("the new tree is seen", func(s Set) bool {
			if !slices.Contains(s.Names("Session"), "a") {
				t.Fatalf("a vanished on the way: %q", names(s))
			}
			return names(s) == fmt.Sprintf("a n%d", i)
		})
	}
	// The new tree is empty, or the link leads nowhere: nothing goes.
	tree("empty")
	flip("empty")
	w.until("the folder is in trouble", func(s Set) bool { return problems(s) != "" })
	if names(w.last) != "a n5" {
		t.Errorf("sessions %q", names(w.last))
	}
	flip("nowhere")
	w.until("the link leads nowhere", func(s Set) bool { return strings.Contains(problems(s), "cannot be opened") })
	if names(w.last) != "a n5" {
		t.Errorf("sessions %q", names(w.last))
	}
	tree("last", "z")
	flip("last")
	w.has("z")
}

// The steps of the kubelet with a ConfigMap: files are links through ..data,
// which is renamed over.
func TestSyncByDataLink(t *testing.T) {
	dir := t.TempDir()
	put := func(version, name string) {
		must(t, os.Mkdir(dir+"/.."+version, 0o755))
		write(t, dir+"/.."+version+"/s.yaml", session(name, 1))
		must(t, os.Symlink(".."+version, dir+"/..data_tmp"))
		must(t, os.Rename(dir+"/..data_tmp", dir+"/..data"))
	}
	put("1", "a")
	must(t, os.Symlink("..data/s.yaml", dir+"/s.yaml"))
	w := follow(t, dir)
	w.has("a")
	put("2", "b")
	w.has("b")
}

func TestFolderThatComesAndGoes(t *testing.T) {
	root := t.TempDir()
	dir := root + "/deep/m"
	w := follow(t, dir)
	w.until("it is said to be missing", func(s Set) bool { return problems(s) != "" && !s.Complete() })
	must(t, os.MkdirAll(dir, 0o755))
	write(t, dir+"/a.yaml", session("a", 1))
	w.has("a")
	must(t, os.Rename(dir, root+"/aside"))
	w.until("it is missing again", func(s Set) bool { return problems(s) != "" })
	if names(w.last) != "a" || !w.last.Complete() {
		t.Errorf("sessions %q", names(w.last))
	}
	must(t, os.Mkdir(dir, 0o755))
	w.until("an empty one is in its place", func(s Set) bool { return strings.Contains(problems(s), "it is empty") })
	if names(w.last) != "a" {
		t.Errorf("sessions %q", names(w.last))
	}
	must(t, os.Remove(dir))
	must(t, os.Rename(root+"/aside", dir))
	w.until("it is back", func(s Set) bool { return problems(s) == "" && names(s) == "a" })
}

func TestFolderMountedOver(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	write(t, dir+"/a.yaml", session("a", 1))
	s := &Source{Folders: []Folder{{Path: dir}}}
	if got := names(s.Refresh()); got != "a" {
		t.Fatalf("sessions %q", got)
	}
	must(t, unix.Mount("x", dir, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
	if set := s.Refresh(); names(set) != "a" || problems(set) == "" {
		t.Errorf("mounted over: sessions %q, problems %q", names(set), problems(set))
	}
	must(t, unix.Unmount(dir, 0))
	if set := s.Refresh(); names(set) != "a" || problems(set) != "" {
		t.Errorf("unmounted again: sessions %q, problems %q", names(set), problems(set))
	}
}

func TestBurstIsGathered(t *testing.T) {
	dir := t.TempDir()
	w := follow(t, dir)
	w.has("")
	const many = 2000
	for i := range many {
		write(t, fmt.Sprintf("%s/%d.yaml", dir, i), session(fmt.Sprintf("s%d", i), 1))
	}
	looks := 0
	w.until("all are seen", func(s Set) bool {
		looks++
		return s.Entries.Len() == many
	})
	if looks > many/10 {
		t.Errorf("%d looks for %d files", looks, many)
	}
}

// TestWhatIsKnownNeedsNoLook: who has put a manifest there, or has taken it away, and has
// said so, costs no look at everything; nor do the drafts of manifests.
func TestWhatIsKnownNeedsNoLook(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.yaml", session("a", 1))
	s := &Source{Folders: []Folder{{Path: dir}}}
	s.Refresh()
	w := s.watch()
	defer w.close()
	w.follow(s.Current().watched(s.Folders))
	// told returns whether all of what happened was known, when it was heard of.
	told := func(last string) (known bool) {
		g := glancer{}
		known = true
		for {
			e := <-w.events()
			known = s.hear(w, e, &g) && known
			if e.Name == last {
				return known
			}
		}
	}
	draft := func(name string) {
		write(t, dir+"/.draft", session(name, 1))
		must(t, os.Rename(dir+"/.draft", dir+"/"+name+".yaml"))
	}
	for name, c := range map[string]struct {
		change func()
		known  bool
	}{
		"one that was put there, and said": {func() { draft("b"); s.Dropped(dir + "/b.yaml") }, true},
		"one that was put there":           {func() { draft("b") }, true},
		"one that was taken away, and said": {func() {
			draft("c")
			s.Dropped(dir + "/c.yaml")
			must(t, os.Remove(dir+"/c.yaml"))
			s.Dropped(dir + "/c.yaml")
		}, true},
		"one that was taken away":   {func() { must(t, os.Remove(dir+"/a.yaml")) }, false},
		"what is no manifest":       {func() { write(t, dir+"/a.txt", "x") }, false},
		"a chroot":                  {func() { write(t, dir+"/d.yaml", "kind: Chroot") }, false},
		"a checkout":                {func() { must(t, os.Mkdir(dir+"/.git", 0o755)) }, false},
		"a link":                    {func() { must(t, os.Symlink("a.yaml", dir+"/l.yaml")) }, false},
		"one that others may write": {func() { draft("e"); must(t, os.Chmod(dir+"/e.yaml", 0o666)) }, false},
	} {
		c.change()
		end := dir + "/.end" + strings.ReplaceAll(name, " ", "-")
		write(t, end, "")
		if known := told(end); known != c.known {
			t.Errorf("%s: known is %t", name, known)
		}
		must(t, os.RemoveAll(dir+"/.git"))
		must(t, os.RemoveAll(dir+"/l.yaml"))
		write(t, dir+"/a.yaml", session("a", 1))
		write(t, dir+"/.then", "")
		told(dir + "/.then")
		s.Refresh()
	}
	// With a link among the manifests a hidden file may be what that leads to.
	must(t, os.Symlink(".data", dir+"/l.yaml"))
	s.Refresh()
	write(t, dir+"/.data", session("l", 1))
	if told(dir + "/.data") {
		t.Error("where a link leads is taken for known")
	}
}

// TestTooMuchAtOnce: when more happens than the kernel keeps, it says so, and what is
// done after that is heard as ever.
func TestTooMuchAtOnce(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	if most > 100_000 {
		t.Skip("the kernel keeps more than a test can do")
	}
	dir := t.TempDir()
	write(t, dir+"/a.yaml", session("a", 1))
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	w := &watching{t: t, sets: make(chan Set, 1000)}
	s := &Source{Folders: []Folder{{Path: dir}}, Resync: time.Hour, OnChange: func(set Set, _ []Key) {
		if names(set) == "a b" {
			held <- struct{}{}
			<-hold
		}
		w.sets <- set
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	w.has("a")
	write(t, dir+"/b.yaml", session("b", 1))
	<-held // nobody listens now
	for i := range most + 1000 {
		must(t, os.Chmod(dir+[]string{"/a.yaml", "/b.yaml"}[i%2], 0o600)) // the same twice would count once
	}
	write(t, dir+"/c.yaml", session("c", 1)) // of which nothing is kept
	close(hold)
	w.has("a b c")
	write(t, dir+"/d.yaml", session("d", 1))
	w.has("a b c d")
}
