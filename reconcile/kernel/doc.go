// Package kernel is the real world: it puts the drivers of all kinds of object
// together to one reconcile.Kernel.
//
// It owns the folders that everything of one controller lies below, holds the
// lock that keeps a second controller away from them, and keeps the controller's
// identity, which is part of every label. It makes no system call on storage
// itself; each kind has its own package below this one.
package kernel
