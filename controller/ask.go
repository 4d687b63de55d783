package controller

import (
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

// Asked returns the manifest that asks for a session, and whether it is in a
// folder that a reboot sweeps.
func (c *Controller) Asked(session string) (s *spec.Session, ephemeral, ok bool) {
	set, _ := c.manifestsNow()
	entry, ok := set.Entries[manifests.Key{Kind: spec.KindSession, Name: session}]
	s, _ = entry.Object.(*spec.Session)
	return s, entry.Ephemeral, ok
}
