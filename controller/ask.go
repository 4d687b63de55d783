package controller

import (
	"maps"
	"slices"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// Chroot returns the chroot of that name or alias, as far as manifests say.
func (c *Controller) Chroot(name string) (*spec.Chroot, bool) {
	c.mu.Lock()
	refs := c.refs
	c.mu.Unlock()
	return refs.Chroot(name)
}

// Chroots returns all chroots, by name.
func (c *Controller) Chroots() []*spec.Chroot {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*spec.Chroot, 0, len(c.refs.Chroots))
	for _, name := range slices.Sorted(maps.Keys(c.refs.Chroots)) {
		list = append(list, c.refs.Chroots[name])
	}
	return list
}

// Asked returns what asks for a session, and the path of its manifest.
func (c *Controller) Asked(session string) (s *spec.Session, manifest string, ok bool) {
	set, _ := c.manifestsNow()
	entry, ok := set.Entries.Get(manifests.Key{Kind: spec.KindSession, Name: session})
	s, _ = entry.Object.(*spec.Session)
	return s, entry.Place.Manifest, ok
}
