// Package object holds the values that the reconciler thinks in: what an
// object is, whose it is, where it stands in the order of making, what it was
// made with, and what of it was seen in the world.
//
// An object is what has one lifetime, not what is one system call. Its owner
// and its address name it, and the address is also the order: objects are made
// in the order of their addresses and unmade in the reverse. Because the
// address is part of the label that an object carries in the kernel, an object
// whose manifest nobody remembers still comes down in the right order, and no
// graph is kept in a memory that dies with the process.
//
// There are only plain values and functions over them here: nothing in this
// package looks at the world or changes it.
package object
