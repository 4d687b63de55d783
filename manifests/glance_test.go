package manifests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGlance takes from one file what is beyond doubt, and nothing else.
func TestGlance(t *testing.T) {
	for name, c := range map[string]struct {
		before map[string]string
		change func(t *testing.T, dir string)
		path   string
		whole  bool
		taken  bool
		want   string // the sessions then
	}{
		"a new session":         {change: put("a.yaml", session("a", 1)), path: "a.yaml", taken: true, want: "a"},
		"two in one file":       {change: put("a.yaml", session("a", 1)+"---\n"+session("b", 1)), path: "a.yaml", taken: true, want: "a b"},
		"one twice in a file":   {change: put("a.yaml", session("a", 1)+"---\n"+session("a", 2)), path: "a.yaml"},
		"one of another file":   {before: map[string]string{"b.yaml": session("a", 1)}, change: put("a.yaml", session("a", 2)), path: "a.yaml", want: "a"},
		"a session and another": {before: map[string]string{"b.yaml": session("b", 1)}, change: put("a.yaml", session("a", 1)), path: "a.yaml", taken: true, want: "a b"},
		"a chroot with it":      {change: put("a.yaml", session("a", 1)+"---\napiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: c}\nspec: {source: {directory: {path: /c}}}\n"), path: "a.yaml"},
		"an empty file":         {change: put("a.yaml", ""), path: "a.yaml"},
		"a broken file":         {before: map[string]string{"a.yaml": session("a", 1)}, change: put("a.yaml", "{"), path: "a.yaml", want: "a"},
		"half a file":           {change: put("a.yaml", session("a", 1)+"---\nkind: Sess"), path: "a.yaml"},
		"a session that changed": {
			before: map[string]string{"a.yaml": session("a", 1)}, change: put("a.yaml", session("a", 2)), path: "a.yaml", taken: true, want: "a",
		},
		"a session that is not in its file any more": {
			before: map[string]string{"a.yaml": session("a", 1) + "---\n" + session("b", 1)}, change: put("a.yaml", session("a", 1)), path: "a.yaml", want: "a b",
		},
		"a file that vanished": {before: map[string]string{"a.yaml": session("a", 1)}, change: gone("a.yaml"), path: "a.yaml", want: "a"},
		"a file that the caller took away": {
			before: map[string]string{"a.yaml": session("a", 1), "b.yaml": session("b", 1)}, change: gone("a.yaml"), path: "a.yaml", whole: true, taken: true, want: "b",
		},
		"the last file that the caller took away": {before: map[string]string{"a.yaml": session("a", 1)}, change: gone("a.yaml"), path: "a.yaml", whole: true, taken: true},
		"a file that was never there":             {change: func(*testing.T, string) {}, path: "a.yaml", whole: true, taken: true},
		"no manifest":                             {change: put("a.txt", session("a", 1)), path: "a.txt"},
		"another folder":                          {change: func(*testing.T, string) {}, path: "../a.yaml", whole: true},
		"a file that others may write": {
			change: func(t *testing.T, dir string) {
				write(t, dir+"/a.yaml", session("a", 1))
				must(t, os.Chmod(dir+"/a.yaml", 0o666))
			}, path: "a.yaml",
		},
		"a folder that was replaced": {
			before: map[string]string{"a.yaml": session("a", 1)},
			change: func(t *testing.T, dir string) {
				must(t, os.Rename(dir, dir+".old"))
				must(t, os.Mkdir(dir, 0o755))
				write(t, dir+"/b.yaml", session("b", 1))
			}, path: "b.yaml", want: "a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/m"
			must(t, os.Mkdir(dir, 0o755))
			for file, text := range c.before {
				write(t, dir+"/"+file, text)
			}
			told := 0
			s := &Source{Folders: []Folder{{Path: dir}}, OnChange: func(Set, []Key) { told++ }}
			s.Refresh()
			told = 0
			c.change(t, dir)
			if taken := s.glance(dir+"/"+c.path, c.whole); taken != c.taken || !taken && told > 0 {
				t.Errorf("taken: %v, told %d times", taken, told)
			}
			if got := names(s.Current()); got != c.want {
				t.Errorf("sessions %q, want %q", got, c.want)
			}
			if c.taken {
				agrees(t, s)
			}
		})
	}
}

func put(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { write(t, dir+"/"+name, text) }
}

func gone(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Remove(dir+"/"+name)) }
}

// agrees fails if a look at everything finds anything else than what is known.
func agrees(t *testing.T, s *Source) {
	t.Helper()
	before := s.Current()
	after := s.Refresh()
	if changed := Diff(before, after); len(changed) > 0 {
		t.Errorf("a look at everything finds changes in %v", changed)
	}
	for path, state := range after.folders {
		if was := before.folders[path]; was.identity != state.identity || was.files.Len() != state.files.Len() {
			t.Errorf("%s: %q with %d files, then %q with %d", path, was.identity, was.files.Len(), state.identity, state.files.Len())
		}
	}
	if !reflect.DeepEqual(before.Files, after.Files) || !reflect.DeepEqual(before.Folders, after.Folders) {
		t.Errorf("problems %v %v, then %v %v", before.Files, before.Folders, after.Files, after.Folders)
	}
}

// TestNothingIsTakenWhileItIsWritten: what somebody is writing may be good so far,
// and say something else in the end.
func TestNothingIsTakenWhileItIsWritten(t *testing.T) {
	dir := t.TempDir()
	s := &Source{Folders: []Folder{{Path: dir}}}
	s.Refresh()
	file, err := os.Create(dir + "/a.yaml")
	must(t, err)
	_, err = file.WriteString(session("a", 1))
	must(t, err)
	if s.Glance(dir + "/a.yaml") {
		t.Error("it is taken while a writer has it open")
	}
	must(t, file.Close())
	if !s.Glance(dir + "/a.yaml") {
		t.Error("it is not taken when the writer has closed it")
	}
	reader, err := os.Open(dir + "/a.yaml")
	must(t, err)
	defer reader.Close()
	write(t, dir+"/a.yaml", session("a", 2))
	if !s.Glance(dir + "/a.yaml") {
		t.Error("it is not taken while a reader has it open")
	}
}

// TestGlancesAgree: whatever is done to a folder, what glances took is what a look
// at everything finds, or the look finds more.
func TestGlancesAgree(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		s := &Source{Folders: []Folder{{Path: dir}}}
		s.Refresh()
		for range 60 {
			name, path := fmt.Sprint("s", r.IntN(6)), fmt.Sprintf("%s/f%d.yaml", dir, r.IntN(6))
			switch r.IntN(5) {
			case 0:
				_ = os.Remove(path) // which may not be there
			case 1:
				write(t, path, session(name, 1+r.IntN(3))+"---\n"+session(name+"-b", 1))
			case 2:
				write(t, path, session(name, 1)[:r.IntN(80)])
			default:
				write(t, path, session(name, 1+r.IntN(3)))
			}
			if s.glance(path, r.IntN(2) == 0) {
				// Another file may say otherwise, which nobody has looked at yet.
				fresh := &Source{Folders: s.Folders}
				is := fresh.Refresh().folders[dir].files.At(path)
				if changed := differences(s.Current().folders[dir].files.At(path), is); len(changed) > 0 {
					t.Fatalf("seed %d: of %s something else is taken than is in it: %v", seed, path, changed)
				}
			}
			if r.IntN(4) == 0 {
				s.Refresh()
			}
		}
	}
}

// TestWhatDidNotChangeIsNotReadAgain, and what may have is.
func TestWhatDidNotChangeIsNotReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/a.yaml"
	write(t, path, session("a", 1))
	s := &Source{Folders: []Folder{{Path: dir}}}
	s.Refresh()
	known := func() stamp { return s.Current().folders[dir].files.At(path).stamp }
	if known() != (stamp{}) {
		t.Error("a file that was just written counts as settled")
	}
	st, err := statx(unix.AT_FDCWD, path)
	must(t, err)
	changed := time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec))
	for age, want := range map[time.Duration]bool{-time.Hour: false, 0: false, settling - 1: false, settling: true, time.Hour: true} {
		if got := settled(st, changed.Add(age)) != (stamp{}); got != want {
			t.Errorf("read %v after it changed: settled is %v", age, got)
		}
	}
	// As if it had been read later.
	state := s.current.folders[dir].files.At(path)
	read := func(st unix.Statx_t) {
		in, file := s.current.folders[dir], s.current.folders[dir].files.At(path)
		file.stamp = stampOf(st)
		in.files = in.files.With(path, file)
		s.current.folders[dir] = in
	}
	read(st)
	entry := s.Refresh().Entries.At(Key{"Session", "a"})
	if known() != stampOf(st) || entry.Object != state.entries[0].Object {
		t.Error("it was read again")
	}
	for name, change := range map[string]func(){
		"written in place, of the same length": func() { write(t, path, session("a", 2)) },
		"written with its time set back": func() {
			write(t, path, session("a", 3))
			must(t, os.Chtimes(path, time.Time{}, time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))))
		},
		"another in its place": func() {
			write(t, path+".new", session("a", 4))
			must(t, os.Rename(path+".new", path))
		},
	} {
		now, err := statx(unix.AT_FDCWD, path)
		must(t, err)
		read(now)
		tick(t, dir, now)
		before := s.Current().Entries.At(Key{"Session", "a"}).Hash
		change()
		if after := s.Refresh().Entries.At(Key{"Session", "a"}).Hash; after == before {
			t.Errorf("%s: nobody saw it", name)
		}
	}
}

// tick waits until the file system's clock is another than it was at a change.
func tick(t *testing.T, dir string, since unix.Statx_t) {
	t.Helper()
	for {
		write(t, dir+"/tick", "")
		now, err := statx(unix.AT_FDCWD, dir+"/tick")
		must(t, err)
		if now.Ctime != since.Ctime {
			return
		}
	}
}

// held returns how many bytes of memory a source holds.
func held(s *Source) float64 {
	inUse := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	all := inUse()
	s.current = Set{}
	rest := inUse()
	s.Refresh()
	return float64(all) - float64(rest)
}

// BenchmarkLook is a look at everything, nothing of which has changed, and a glance
// at one file that did.
func BenchmarkLook(b *testing.B) {
	for _, many := range []int{10, 1000, 10000} {
		dir := b.TempDir()
		for i := range many {
			if err := os.WriteFile(fmt.Sprintf("%s/s%d.yaml", dir, i), []byte(session(fmt.Sprint("s", i), 1)), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		s := &Source{Folders: []Folder{{Path: dir}}}
		b.Run(fmt.Sprintf("first/%d", many), func(b *testing.B) {
			for b.Loop() {
				s.current = Set{}
				s.Refresh()
			}
			b.ReportMetric(held(s)/float64(many), "B/manifest")
		})
		time.Sleep(settling) // which is no synchronisation: stamps count from that age
		s.Refresh()
		b.Run(fmt.Sprintf("again/%d", many), func(b *testing.B) {
			for b.Loop() {
				s.Refresh()
			}
		})
		b.Run(fmt.Sprintf("glance/%d", many), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				path := fmt.Sprintf("%s/x%d.yaml", dir, i)
				if err := os.WriteFile(path, []byte(session(fmt.Sprint("x", i), 1)), 0o644); err != nil {
					b.Fatal(err)
				}
				if !s.Dropped(path) || os.Remove(path) != nil || !s.Dropped(path) {
					b.Fatal("not taken")
				}
			}
		})
	}
}
