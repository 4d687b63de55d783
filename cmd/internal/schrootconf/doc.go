// Package schrootconf reads and writes the configuration of schroot(1): the
// sections of schroot.conf(5) and chroot.d, and the files of a profile that they
// name (fstab, copyfiles, nssdatabases).
//
// Parse makes values with their places out of text, and tells all that is wrong
// with it, not the first thing only; what schroot itself would do about a mistake
// (refuse everything, or warn) is part of the Problem. Read does the same for a
// whole folder such as /etc/schroot. Write is the way back, in the form that
// `schroot --config` prints.
//
// A Chroot holds its keys as they were written. Text, List and Bool know the
// defaults of schroot 1.6.13, and Config lists all that it prints of a chroot. The
// package knows nothing of Coppice's own kinds, and decides nothing.
package schrootconf
