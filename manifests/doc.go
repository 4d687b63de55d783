// Package manifests reads the watched folders and says what ought to exist.
//
// People, editors and sync tools change those folders in every way there is:
// they write files half, swap links, replace folders, mount over them. So what a
// pass over a folder finds is never simply the truth. It is merged into what was
// known before, by these rules:
//
//  1. A folder that is missing, cannot be read, or lies empty where another one
//     was, is unavailable: all that was in it stays as it was.
//  2. A file that cannot be used stays as it was, and what is wrong with it is
//     told. A document that cannot be used does not touch the others of its file.
//  3. Only what was in a file that was read whole, and is there no more, is gone.
//  4. Two manifests of one name are refused both; what it was before stays.
//
// A change is taken at once if one file alone says all about it (Source.Glance): a
// session that nothing else names, in a file that nobody has open to write. All that
// goes, and whatever depends on other files, waits until things have been quiet for
// a moment and everything is looked at.
//
// The package knows files and YAML. It knows nothing of what is made of them,
// and writes nothing but the files that a client drops through it.
package manifests
