package compile

import (
	"path/filepath"
	"strings"

	"coppice.dev/spec"
)

// Place is a folder or a file that roots are made from, whatever path led there.
type Place struct {
	// Path is clean, and without links as far as anybody has looked.
	Path string `json:"path"`
	// Device and Inode tell which it is, as stat(2) has them; 0 if unknown.
	Device uint64 `json:"device,omitempty"`
	Inode  uint64 `json:"inode,omitempty"`
}

// Use is what a session has to do with a place.
type Use struct {
	Place
	// Opens is set when the session writes to what is there itself.
	Opens bool
	// Copies is set when it needs the place only while it is made, and stands on
	// a copy from then on.
	Copies bool
}

// Uses returns what a session stands on that is not made for it.
func Uses(r Record) []Use {
	opens, s := r.Session.Session.OpenSource, r.Session.Chroot.Source
	places := r.Facts.Places
	if len(places) == 0 {
		places = PlacesOf(r.Session.Chroot)
	}
	var uses []Use
	for i, place := range places {
		use := Use{Place: place}
		if i == 0 {
			use.Opens = opens
			use.Copies = !opens && (s.BtrfsSnapshot != nil || s.LVMSnapshot != nil || s.File != nil)
		}
		uses = append(uses, use)
	}
	return uses
}

// PlacesOf returns the places of a chroot as its manifest names them.
func PlacesOf(c spec.ChrootSpec) []Place {
	var places []Place
	add := func(path string) { places = append(places, Place{Path: filepath.Clean(path)}) }
	switch s := c.Source; {
	case s.Directory != nil:
		add(s.Directory.Path)
	case s.Plain != nil:
		add(s.Plain.Path)
	case s.File != nil:
		add(s.File.Path)
	case s.Loopback != nil:
		add(s.Loopback.Path)
	case s.BlockDevice != nil:
		add(s.BlockDevice.Path)
	case s.LVMSnapshot != nil:
		add(origin(*s.LVMSnapshot))
	case s.BtrfsSnapshot != nil:
		add(s.BtrfsSnapshot.Subvolume)
	}
	if c.Union != nil {
		for _, lower := range c.Union.Lowers {
			add(lower)
		}
	}
	return places
}

// Meets reports whether writing in one place can be seen in the other: they are
// the same, or one is inside the other. The host's own root is no place in this
// sense: who grows from that takes the host as it changes.
func (p Place) Meets(q Place) bool {
	switch {
	case p.Path == "/" || q.Path == "/":
		return false
	case p.Inode != 0 && p.Inode == q.Inode && p.Device == q.Device:
		return true
	}
	return p.Path == q.Path || inside(p.Path, q.Path) || inside(q.Path, p.Path)
}

func inside(path, folder string) bool { return strings.HasPrefix(path, folder+"/") }
