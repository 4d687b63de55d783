package controller

import (
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
	"coppice.dev/status"
)

// class is what a key is the name of.
type class string

const (
	classSession  class = "session"
	classBase     class = "base"
	classChroot   class = "chroot"
	classProfile  class = "profile"
	classManifest class = "manifest"
	classFolder   class = "folder"
)

// key is one thing to look at.
type key struct {
	class class
	name  string
}

// String returns "class/name".
func (k key) String() string { return string(k.class) + "/" + k.name }

func sessionKey(name string) key { return key{classSession, name} }
func baseKey(name string) key    { return key{classBase, name} }

// keyOf returns the key that looks after an owner's objects.
func keyOf(o object.Owner) key {
	if o.Class == object.Base {
		return baseKey(o.Name)
	}
	return sessionKey(o.Name)
}

// kinds are the kinds of object that have a status, by class.
var kinds = map[class]string{
	classSession:  spec.KindSession,
	classChroot:   spec.KindChroot,
	classProfile:  spec.KindProfile,
	classManifest: status.KindManifest,
	classFolder:   status.KindFolder,
}

// classes are the classes of the kinds that people write.
var classes = map[string]class{
	spec.KindSession: classSession,
	spec.KindChroot:  classChroot,
	spec.KindProfile: classProfile,
}
