package manifests

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestVersions compares versions with maps that are copied for each change, old ones
// too.
func TestVersions(t *testing.T) {
	for _, many := range []int{0, 1, 100, 5000} {
		first := map[int]int{}
		for i := range many {
			first[i] = i
		}
		type pair struct {
			is   versions[int, int]
			want map[int]int
		}
		pairs := []pair{{versionOf(maps.Clone(first)), first}}
		for range 300 {
			p := pairs[rand.IntN(len(pairs))]
			next := pair{want: maps.Clone(p.want)}
			key := rand.IntN(many + 50)
			if rand.IntN(2) == 0 {
				next.is, next.want[key] = p.is.With(key, -key), -key
			} else {
				next.is = p.is.Without(key)
				delete(next.want, key)
			}
			pairs = append(pairs, next)
			if len(pairs) > 100 {
				pairs = pairs[1:]
			}
		}
		for _, p := range pairs {
			if got := maps.Collect(p.is.All()); !maps.Equal(got, p.want) || p.is.Len() != len(p.want) {
				t.Fatalf("it is %v (%d), want %v", got, p.is.Len(), p.want)
			}
			for key := range many + 50 {
				got, is := p.is.Get(key)
				want, there := p.want[key]
				if got != want || is != there || p.is.At(key) != want {
					t.Fatalf("at %d: %d %t, want %d %t", key, got, is, want, there)
				}
			}
		}
	}
}
