package spec_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice.dev/spec"
)

const head = "apiVersion: coppice.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec:\n"

// full repeats text until a manifest is an eighth of what it may be: large enough
// for anything that is worse than linear to be seen.
func full(before, text, after string) string {
	return before + strings.Repeat(text, (spec.MaxSize/8-len(before)-len(after))/len(text)) + after
}

// TestNothingTakesLong reads large manifests of the worst shapes there are.
// Whatever is found in a watched folder must not keep the daemon busy, nor take
// its memory.
func TestNothingTakesLong(t *testing.T) {
	var indented strings.Builder
	for i := range 1400 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"deep brackets":        full("", "[", ""),
		"deep braces":          full("", "{", ""),
		"deep braces, named":   full(head+" mounts: ", "{a: ", ""),
		"deep dashes":          strings.Repeat("- ", 9000) + "a",
		"deep question marks":  full("", "? ", ""),
		"deep indentation":     indented.String(),
		"documents":            full("", "---\n", ""),
		"documents of a word":  full("", "---\na\n", ""),
		"documents of a field": full("", "---\na: b\n", ""),
		"many syntax errors":   full("", "---\n{\n", ""),
		"unknown fields":       full(head, " a: b\n", ""),
		"unknown fields, each another": head + func() string {
			var b strings.Builder
			for i := range 15000 {
				fmt.Fprintf(&b, " field%d: 1\n", i)
			}
			return b.String()
		}(),
		"bad entries":           full(head+" copyFiles: [", "a,", "]"),
		"same entries":          full(head+" copyFiles: [", "/a,", "]"),
		"other entries":         head + " copyFiles:\n" + many(15000, " - /f%d\n"),
		"mounts":                head + " mounts:\n" + many(5000, " - {type: tmpfs, target: /t%d}\n"),
		"hooks":                 head + " hooks:\n" + many(5000, " - {name: h%d, file: /a}\n"),
		"sessions of one name":  full("", "---\n"+strings.Replace(good, "\n", "", 1), ""),
		"sessions":              many(2000, "---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: s%d}\nspec: {chrootRef: {name: c}}\n"),
		"items":                 "kind: List\nitems:\n" + many(2000, "- {apiVersion: coppice.dev/v1alpha1, kind: Session, metadata: {name: s%d}, spec: {chrootRef: {name: c}}}\n"),
		"items of one alias":    full("kind: List\nitems: [&a {apiVersion: coppice.dev/v1alpha1, kind: Profile, metadata: {name: a}},", "*a,", "]"),
		"aliases of a list":     full(head+" copyFiles: &f ["+strings.Repeat("/a,", 1000)+"]\n hooks: [", "{name: a, command: *f},", "]"),
		"aliases":               full(head+" copyFiles: [&a /a,", "*a,", "]"),
		"aliases of aliases":    head + bomb(),
		"aliases of a mapping":  full(head+" mounts: [&a {type: proc},", "*a,", "]"),
		"merges":                full(head+" mounts: [&a {type: proc},", "{<<: *a},", "]"),
		"merges of merges":      full(head+" mounts: [&a {type: proc, <<: [", "*a,", "]}]"),
		"anchors":               full(head+" copyFiles: [", "&a /a,", "]"),
		"a long name":           full("kind: ", "x", ""),
		"a long key":            full("", "x", ": y"),
		"a long path":           full(head+" copyFiles: [/", "x", "]"),
		"a long expression":     full("apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: a}\nspec: {chrootRef: {name: c}, environment: {filter: '", "(a*)*", "'}}"),
		"nested repetition":     "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: a}\nspec: {chrootRef: {name: c}, environment: {filter: '((((a{1,9}){1,9}){1,9}){1,9}){1,9}'}}",
		"variables":             "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: a}\nspec:\n chrootRef: {name: c}\n environment:\n  set:\n" + many(15000, "   V%d: a\n"),
		"labels":                "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata:\n name: a\n labels:\n" + many(15000, "  bad key %d: a b\n") + "spec: {chrootRef: {name: c}}\n",
		"comments":              full("", "#\n", ""),
		"comments at each line": full(head, " # a\n copyFiles: [] # b\n", ""),
		"tags":                  full(head+" copyFiles: [", "!a b,", "]"),
		"escapes":               full(`{"a": "`, `\/`, `"}`),
		"broken escapes":        full(`{"a": "`, `\ud800`, `"}`),
		"a size of many digits": full(head+" mounts: [{type: shm, size: ", "1", "}]"),
		"a size beyond sense":   head + " mounts: [{type: shm, size: 1e-999999999}]",
		"ends of lines":         full("", "\r", ""),
		"tabs":                  full("", "\t", ""),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := worked(t)
			documents, problems := spec.Parse("a.yaml", []byte(text))
			took := worked(t) - begin
			runtime.ReadMemStats(&after)
			used := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d bytes, %v, %d MiB, %d documents, %d problems", len(text), took, used, len(documents), len(problems))
			if took > 10*time.Second { // of a race-detecting build
				t.Errorf("took %v", took)
			}
			if used > 2048 {
				t.Errorf("took %d MiB in all", used)
			}
			length := 0
			for _, p := range problems {
				length = max(length, len(p.String()))
			}
			if length > 1000 {
				t.Errorf("a problem of %d bytes", length)
			}
		})
	}
}

// worked returns how long this process has worked, which does not depend on how busy
// the machine is.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// bomb stands for ten billion words.
func bomb() string {
	var b strings.Builder
	b.WriteString(" hooks:\n - {name: a0, command: &a0 [" + strings.Repeat("x,", 10) + "]}\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, " - {name: a%d, command: &a%d [%s]}\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10))
	}
	return b.String()
}
