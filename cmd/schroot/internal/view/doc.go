// Package view tells of chroots and sessions in schroot's words: it turns what the
// daemon says of them into the keys of schroot.conf(5), and prints those as
// schroot --info and --config do, to the letter, since programs read them. It is
// plain functions over values.
//
// Keys that have no counterpart here are printed with schroot's defaults, so that
// the same chroots give the same text.
package view
