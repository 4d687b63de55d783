package manifests

import (
	"iter"
	"maps"
)

// versions is one version of a map that is never changed once made. The next version
// shares with it all that is the same, so that a change costs little however much there
// is.
type versions[K comparable, V any] struct {
	// base is what many versions have in common, and changed what is different in this
	// one; a value of nil is of what is not there.
	base    map[K]V
	changed map[K]*V
	size    int
}

// few is how many changes a version may have of its own before there is a new base,
// and one for each perBase in the base.
const (
	few     = 32
	perBase = 64
)

// versionOf returns the first version: the map, which is not to be changed any more.
func versionOf[K comparable, V any](all map[K]V) versions[K, V] {
	return versions[K, V]{base: all, size: len(all)}
}

// Get returns what is at a key.
func (v versions[K, V]) Get(key K) (value V, is bool) {
	if changed, is := v.changed[key]; is {
		if changed == nil {
			return value, false
		}
		return *changed, true
	}
	value, is = v.base[key]
	return value, is
}

// At is Get for who takes nothing for an answer.
func (v versions[K, V]) At(key K) V {
	value, _ := v.Get(key)
	return value
}

// Len returns how many there are.
func (v versions[K, V]) Len() int { return v.size }

// All passes all there are, in no order.
func (v versions[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for key, value := range v.base {
			if _, is := v.changed[key]; !is && !yield(key, value) {
				return
			}
		}
		for key, value := range v.changed {
			if value != nil && !yield(key, *value) {
				return
			}
		}
	}
}

// With returns the version with something else at a key.
func (v versions[K, V]) With(key K, value V) versions[K, V] { return v.set(key, &value) }

// Without returns the version with nothing at a key.
func (v versions[K, V]) Without(key K) versions[K, V] { return v.set(key, nil) }

func (v versions[K, V]) set(key K, value *V) versions[K, V] {
	next := versions[K, V]{base: v.base, changed: make(map[K]*V, len(v.changed)+1), size: v.size}
	maps.Copy(next.changed, v.changed)
	if _, was := v.Get(key); was {
		next.size--
	}
	if value != nil {
		next.size++
	}
	next.changed[key] = value
	if len(next.changed) > few+len(v.base)/perBase {
		return versionOf(maps.Collect(next.All()))
	}
	return next
}
