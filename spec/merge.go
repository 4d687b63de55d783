package spec

import (
	"path"
	"slices"
)

// merged returns a profile with another's entries added: a mount takes the place
// of one with the same target, a hook of one with the same name; files and
// databases are added once.
func merged(base ProfileSpec, over *ProfileSpec) ProfileSpec {
	result := ProfileSpec{
		Mounts:       slices.Clone(base.Mounts),
		CopyFiles:    slices.Clone(base.CopyFiles),
		NSSDatabases: slices.Clone(base.NSSDatabases),
		Hooks:        slices.Clone(base.Hooks),
	}
	if over == nil {
		return result
	}
	for _, m := range over.Mounts {
		result.Mounts = put(result.Mounts, m, func(o Mount) bool { return path.Clean(o.Target) == path.Clean(m.Target) })
	}
	for _, h := range over.Hooks {
		result.Hooks = put(result.Hooks, h, func(o Hook) bool { return o.Name == h.Name })
	}
	for _, f := range over.CopyFiles {
		result.CopyFiles = put(result.CopyFiles, f, func(o string) bool { return o == f })
	}
	for _, n := range over.NSSDatabases {
		result.NSSDatabases = put(result.NSSDatabases, n, func(o string) bool { return o == n })
	}
	return result
}

// put replaces the first entry that matches, or appends.
func put[T any](list []T, entry T, same func(T) bool) []T {
	if i := slices.IndexFunc(list, same); i >= 0 {
		list[i] = entry
		return list
	}
	return append(list, entry)
}
