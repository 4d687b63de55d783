package main

import (
	"slices"
	"strings"
	"testing"
)

// said runs a command that asks nobody, and returns what it said and its exit code.
func said(args ...string) (out, errOut string, code int) {
	var o, e strings.Builder
	c := &cli{in: strings.NewReader(""), out: &o, errOut: &e}
	root := newRoot(c)
	root.SetArgs(args)
	root.SetOut(&o)
	root.SetErr(&e)
	code = c.exitCode(root.Execute())
	return o.String(), e.String(), code
}

func TestExplainFields(t *testing.T) {
	out, _, code := said("explain", "session.spec.chroot.union")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	check(t, out, `
KIND:       Session
VERSION:    coppice.dev/v1alpha1

FIELD: union <Object>

DESCRIPTION:
    union puts a writable layer above the source, private to each session.
    Rule: there is no layer without a union; use type: overlay

FIELDS:
  lowers	<[]string>
    lowers are folders stacked above the source and below the session's own
    layer; the first is topmost.

  type	<string>
    type is overlay or none. The default is overlay, and none for the sources
    plain, btrfsSnapshot and lvmSnapshot.
    One of: overlay, none

  upper	<Object>
    upper says where the session's writes go.
    Rule: is too small for an upper on disk, which takes 16Mi at least

  volatile	<boolean>
    volatile leaves out every sync to disk: faster, and the session's writes do
    not survive a power cut. If unset, a session is volatile when its manifest
    would not survive one either.

`)
}

// TestExplainAnything explains what people ask about, by whatever word for the kind.
func TestExplainAnything(t *testing.T) {
	for _, row := range []struct {
		args string
		want []string
	}{
		{"session", []string{"KIND:       Session\n", "  spec\t<Object> -required-\n", "  status\t<Object>\n", "version of the API: coppice.dev/v1alpha1."}},
		{"Sessions", []string{"KIND:       Session\n"}},
		{"cr.spec.source", []string{"FIELD: source <Object> -required-\n", "exactly one of the fields in [directory plain", "  btrfsSnapshot\t<Object>\n"}},
		{"session.metadata", []string{"  annotations\t<map[string]string>\n", "  labels\t<map[string]string>\n", "  name\t<string> -required-\n"}},
		{"session.metadata.name", []string{"FIELD: name <string> -required-\n", "name tells the objects of a kind apart"}},
		{"session.spec.ttl.", []string{"FIELD: ttl <string>\n", "ttl is how long the session lives"}},
		{"session.spec.expose", []string{"One of: Root, Tree, None\n"}},
		{"session.spec.limits.memory", []string{"FIELD: memory <Quantity>\n", "Rule: must be at least 1Mi"}},
		{"session.spec.limits.rlimits", []string{"FIELD: rlimits <map[string]Object>\n", "  soft\t<integer>\n"}},
		{"profile.spec.hooks.command", []string{"FIELD: command <[]string>\n", "Rule: the program is an absolute path"}},
		{"chroot.status.conditions", []string{"FIELD: conditions <[]Object>\n", "  observedGeneration\t<integer>\n", "  lastTransitionTime\t<string> -required-\n"}},
	} {
		out, errOut, code := said("explain", row.args)
		if code != exitOK {
			t.Errorf("%s: exit code %d, %s", row.args, code, errOut)
		}
		for _, want := range row.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: nowhere %q in\n%s", row.args, want, out)
			}
		}
	}
}

func TestExplainRecursive(t *testing.T) {
	out, _, code := said("explain", "--recursive", "session")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{
		"  metadata\t<Object> -required-\n    annotations\t<map[string]string>\n",
		"    chroot\t<Object>\n      access\t<Object>\n        groups\t<[]string>\n",
		"      source\t<Object> -required-\n        blockDevice\t<Object>\n          fsType\t<string>\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nowhere\n%sin\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if len(line) > lineWidth+1 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}

// TestExplainNothing says what was perhaps meant.
func TestExplainNothing(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"session.spec.union", `session.spec has no field "union"; did you mean session.spec.chroot.union?`},
		{"session.spec.mounts.target", `session.spec has no field "mounts"; did you mean session.spec.profile.mounts.target?`},
		{"session.spec.chrotRef.name", `session.spec has no field "chrotRef"; did you mean session.spec.chrootRef.name?`},
		{"session.spec.chrootref", `did you mean session.spec.chrootRef?`},
		{"session.ttl", `session has no field "ttl"; did you mean session.spec.ttl?`},
		{"session.spec.chrootRef.namespace", `session.spec.chrootRef has no field "namespace"; there are name`},
		{"session.spec.ttl.seconds", `session.spec.ttl has no field "seconds"; it has no fields`},
		{"session..spec", `session has no field ""; did you mean session.spec?`},
		{"sesion.spec", `there is no kind "sesion"; did you mean sessions?`},
		{"manifest", "nobody writes manifests; try coppice explain session"},
		{"", "there is no kind"},
		{"session spec", "what is to be explained?"},
	} {
		out, errOut, code := said(append([]string{"explain"}, strings.Split(row.args, " ")...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, row.want) {
			t.Errorf("explain %s: exit code %d, %q, %q; want %d and %q", row.args, code, out, errOut, exitUsage, row.want)
		}
	}
}

func TestCompleteFields(t *testing.T) {
	for _, row := range []struct{ written, want string }{
		{"", "chroot profile session"},
		{"se", "chroot profile session"}, // the shell picks
		{"session.spec.chroot.union.", "session.spec.chroot.union.lowers session.spec.chroot.union.type session.spec.chroot.union.upper session.spec.chroot.union.volatile"},
		{"cr.spec.source.file.p", "cr.spec.source.file.path"},
		{"session.metadata.", "session.metadata.annotations session.metadata.labels session.metadata.name"},
		{"session.speck.x", ""},
		{"manifest.", ""},
	} {
		got, _ := completeFields(nil, nil, row.written)
		if want := strings.Fields(row.want); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", row.written, got, want)
		}
	}
}
