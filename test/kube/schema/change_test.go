package schema

import "strings"

// absent stands for no value at all.
type absent struct{}

// values are those that a field may be given by somebody who knows better.
func values() []any {
	all := []any{
		nil, true, false, int64(0), int64(1), int64(-1), int64(2), int64(512), int64(513), int64(101), int64(129),
		1.5, int64(1 << 40), []any{}, map[string]any{}, []any{"a"}, []any{"/a", "/a"}, []any{""}, []any{nil},
		map[string]any{"name": "a"}, map[string]any{"path": "/a"}, map[string]any{"a": "b"}, map[string]any{"unknown": "b"},
	}
	for _, text := range []string{
		"", "/", "/a", "/a/", "a", "/a/../b", "/..", "//a", "/a//b", "/a/.", "/a/./b", "/..a", "/.a", "/...", "/a b", "/a\nb", "/a\x7f",
		"name", "Name", "-x", "x-", "x.y", "x y", "a,b", "a:b", "a\nb", "\x00", "a\x00b", "/a\x00", "é", "/é", strings.Repeat("x", 64), strings.Repeat("x", 300),
		"/" + strings.Repeat("x", 4000), "0", "1s", "+1s", "0s", "-1s", "1.5h", ".5h", "1.h", "10", "5m3s", "1d", "1 s", "s",
		"2Gi", "64Ki", "63Ki", "1Ki", "1M", "5m", "10m", "1e6", "1E6", "1e+6", "1e99", "1e-3", "+1Gi", "-1Gi", "1n", "1.5Gi", "1Gi ", "0.1", "1k", "010", "20%", "0%", "100%", "101%", "20 %",
		"ext4", "btrfs", "squashfs", "ntfs", "proc", "tmpfs", "bind", "dev", "overlay", "none", "Overlay", "Memory", "Disk", "Root", "Tree", "None",
		"Wait", "Recreate", "setup", "stop", "Host", "Session", "Schroot", "ro", "rw", "nosuid", "size=3", "loop", "loop=3", "loopy", "offset=3", "sizelimit=1",
		"[", "(a", "x*", "passwd", "ethers", "i386", "m68k", "--chunksize=64k", "--size=3", "--chunksize=", ".", "..", "vg+0",
	} {
		all = append(all, text)
	}
	return all
}

// places returns the paths to all that there is in a value, itself included, and
// to a field that is not known beside each.
func places(value any, at []any) [][]any {
	all := [][]any{append([]any(nil), at...)}
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			all = append(all, places(child, append(append([]any(nil), at...), key))...)
		}
		all = append(all, append(append([]any(nil), at...), "unknown"))
	case []any:
		for i, child := range v {
			all = append(all, places(child, append(append([]any(nil), at...), i))...)
		}
	}
	return all
}

// field is the name of a place that is the same in each item of a list. What was tried
// there once need not be tried in the next example: TestMixed puts them side by side.
func field(at []any) string {
	var b strings.Builder
	for _, step := range at {
		if name, is := step.(string); is {
			b.WriteString("/" + name)
		} else {
			b.WriteString("/*")
		}
	}
	return b.String()
}

// replaced returns a value with another one at a place in it.
func replaced(value any, at []any, with any) any {
	if len(at) == 0 {
		if _, none := with.(absent); none {
			return map[string]any{}
		}
		return with
	}
	_, none := with.(absent)
	switch v := value.(type) {
	case map[string]any:
		key := at[0].(string)
		if none && len(at) == 1 {
			delete(v, key)
		} else {
			v[key] = replaced(v[key], at[1:], with)
		}
		return v
	case []any:
		i := at[0].(int)
		if none && len(at) == 1 {
			return append(v[:i:i], v[i+1:]...)
		}
		v[i] = replaced(v[i], at[1:], with)
		return v
	}
	return value
}
