package enter

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnEachCPU(t *testing.T) {
	failure := errors.New("no")
	for name, row := range map[string]struct {
		most int // how often it is called before it has had enough; 0 for never
		err  error
	}{"all": {}, "the first": {most: 1}, "a failure": {most: 1, err: failure}} {
		if err := Alone(func(Thread) error {
			var before, after unix.CPUSet
			if err := unix.SchedGetaffinity(0, &before); err != nil {
				return err
			}
			seen := map[unix.CPUSet]bool{}
			err := OnEachCPU(func() (bool, error) {
				var now unix.CPUSet
				if err := unix.SchedGetaffinity(0, &now); err != nil {
					return false, err
				}
				if now.Count() != 1 || seen[now] {
					t.Errorf("%s: on %d CPUs, or on one of those before", name, now.Count())
				}
				seen[now] = true
				return len(seen) == row.most, row.err
			})
			if !errors.Is(err, row.err) {
				t.Errorf("%s: %v, want %v", name, err, row.err)
			}
			want := before.Count()
			if row.most > 0 {
				want = row.most
			}
			if len(seen) != want {
				t.Errorf("%s: it was called on %d CPUs, want %d", name, len(seen), want)
			}
			if err := unix.SchedGetaffinity(0, &after); err != nil {
				return err
			}
			if row.err == nil && after != before {
				t.Errorf("%s: the thread may use %d CPUs, where it was %d", name, after.Count(), before.Count())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
