package manifests

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

const crowd = 10_000

// fill writes manifests of so many sessions, one a file.
func fill(b *testing.B, dir string) {
	b.Helper()
	for i := range crowd {
		if err := os.WriteFile(fmt.Sprintf("%s/s%d.yaml", dir, i), []byte(session(fmt.Sprintf("s%d", i), 1)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad reads a folder of 10,000 manifests for the first time. It says how
// much memory what it knows of them then takes.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir)
	var before, after runtime.MemStats
	b.ResetTimer()
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := &Source{Folders: []Folder{{Path: dir}}}
		if set := s.Refresh(); len(set.Entries) != crowd {
			b.Fatalf("%d sessions, %s", len(set.Entries), problems(set))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(s)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/crowd, "B/manifest")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/crowd, "µs/manifest")
}

// BenchmarkLookAgain looks at 10,000 manifests of which none has changed, BenchmarkOne
// at one that is new among them.
func BenchmarkLookAgain(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir)
	s := settledSource(b, dir)
	for b.Loop() {
		s.Refresh()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/crowd, "µs/manifest")
}

func BenchmarkOne(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir)
	s := settledSource(b, dir)
	i := 0
	for b.Loop() {
		b.StopTimer()
		path := fmt.Sprintf("%s/new%d.yaml", dir, i)
		if err := os.WriteFile(path, []byte(session(fmt.Sprintf("new%d", i), 1)), 0o644); err != nil {
			b.Fatal(err)
		}
		i++
		b.StartTimer()
		if !s.Glance(path) {
			b.Fatal("it is not taken")
		}
	}
}

// settledSource has read a folder whose files count as changed long ago.
func settledSource(b *testing.B, dir string) *Source {
	b.Helper()
	s := &Source{Folders: []Folder{{Path: dir}}}
	s.Refresh()
	for path, file := range s.current.folders[dir].files {
		st, err := statx(unix.AT_FDCWD, path)
		if err != nil {
			b.Fatal(err)
		}
		file.stamp = stampOf(st)
		s.current.folders[dir].files[path] = file
	}
	return s
}
