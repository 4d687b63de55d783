package controller

import (
	"slices"

	"coppice.dev/manifests"
	"coppice.dev/spec"
)

// Changed takes what the manifests now say, and which of them are new, changed
// or gone; it is meant for manifests.Source.OnChange. It does not block. Until
// it was called once, nobody knows what is wanted, and nothing goes.
func (c *Controller) Changed(set manifests.Set, changed []manifests.Key) {
	c.guard.changed(set, changed)
	c.mu.Lock()
	before := c.set
	c.set = set
	if c.refs.Chroots == nil || slices.ContainsFunc(changed, func(k manifests.Key) bool { return k.Kind != spec.KindSession }) {
		c.refs = references(set)
	}
	for _, k := range changed {
		if class, known := classes[k.Kind]; known {
			c.tend(key{class, k.Name})
		}
		if k.Kind == spec.KindSession {
			delete(c.withdrawn, k.Name)
		}
	}
	// What was not taken down because nobody knew may go now, or was held back
	// and is confirmed. What is still not known needs no other look.
	var doubtful []key
	for k := range c.unnamed {
		if !set.MayHold(manifests.Key{Kind: kinds[k.class], Name: k.name}) {
			doubtful = append(doubtful, k)
		}
	}
	c.mu.Unlock()
	for _, k := range changed {
		class, known := classes[k.Kind]
		if !known {
			continue
		}
		own := key{class, k.Name}
		if _, named := set.Entries.Get(k); class == classSession && !named && !set.MayHold(k) {
			c.passes.interrupt(own)
		}
		c.queue.renew(own)
		for _, name := range c.links.sessions(append(names(own, before, set), key{class: class})...) {
			c.queue.renew(sessionKey(name))
		}
	}
	if slices.ContainsFunc(changed, func(k manifests.Key) bool { return k.Kind == spec.KindChroot }) {
		c.renewBases(c.claims.resting(false)) // which may be named no more
	}
	c.queue.add(doubtful...)
	c.queue.add(changedFiles(before, set)...)
	for _, name := range c.guard.all() {
		if _, wished := c.Wishes.Wished(name); wished {
			c.queue.renew(sessionKey(name))
		}
	}
	for path := range set.Watched() {
		c.queue.soon(set.Entries.Len(), key{classFolder, path})
	}
	for path := range set.Folders {
		// Sessions that it lost may be back.
		if k := (key{classManifest, path}); c.reports.known(k) {
			c.queue.add(k)
		}
	}
}

// tend notes of a key that is tended whether a manifest names it. It needs the lock.
func (c *Controller) tend(k key) {
	delete(c.unnamed, k)
	if _, tended := c.tended[k]; !tended {
		return
	}
	if kind, has := kinds[k.class]; has && classes[kind] == k.class {
		if _, named := c.set.Entries.Get(manifests.Key{Kind: kind, Name: k.name}); !named {
			c.unnamed[k] = struct{}{}
		}
	}
}

// untend forgets a key. It needs the lock.
func (c *Controller) untend(k key) {
	delete(c.tended, k)
	delete(c.unnamed, k)
}

// names returns all keys by which a session may name a chroot or profile: its
// name, and the aliases it has or had.
func names(own key, sets ...manifests.Set) []key {
	keys := []key{own}
	for _, set := range sets {
		entry := set.Entries.At(manifests.Key{Kind: kinds[own.class], Name: own.name})
		if chroot, is := entry.Object.(*spec.Chroot); is {
			for _, alias := range chroot.Spec.Aliases {
				keys = append(keys, key{classChroot, alias})
			}
		}
	}
	return keys
}

// changedFiles returns the keys of the files and folders about which there is
// something else to be told.
func changedFiles(before, after manifests.Set) []key {
	var keys []key
	for _, path := range slices.Concat(troubled(before), troubled(after)) {
		if !slices.Equal(troubles(before, path), troubles(after, path)) {
			keys = append(keys, key{classManifest, path})
		}
	}
	return keys
}

// troubled returns the paths of the files and folders that have problems.
func troubled(set manifests.Set) []string {
	var paths []string
	for path, problems := range set.Files {
		if len(problems) > 0 {
			paths = append(paths, path)
		}
	}
	for path, problem := range set.Folders {
		if problem != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// troubles returns what is wrong with a file or a folder.
func troubles(set manifests.Set, path string) []string {
	problems := set.Files[path]
	if problem := set.Folders[path]; problem != "" {
		problems = append(slices.Clone(problems), problem)
	}
	return problems
}

// references gathers what sessions may name: the built-in profiles, and all that
// is or was good.
func references(set manifests.Set) spec.References {
	refs := spec.References{Chroots: map[string]*spec.Chroot{}, Profiles: map[string]*spec.Profile{}}
	for _, p := range builtin() {
		refs.Profiles[p.Name] = p
	}
	for k, entry := range set.Entries.All() {
		switch o := entry.Object.(type) {
		case *spec.Chroot:
			refs.Chroots[k.Name] = o
		case *spec.Profile:
			refs.Profiles[k.Name] = o
		}
	}
	return refs
}
