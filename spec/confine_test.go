package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/spec"
)

func TestConfinement(t *testing.T) {
	const chroot = `isolation: {network: true, ipc: true, noNewPrivileges: true}
limits: {memory: 1Gi, pids: 100, rlimits: {nofile: {soft: 1024, hard: 4096}, core: {soft: 0}}}`
	for _, c := range []struct {
		chroot, session string
		want            spec.Confinement
	}{
		{"", "", spec.Confinement{}},
		{chroot, "", spec.Confinement{
			Network: true, IPC: true, NoNewPrivileges: true, Memory: 1 << 30, PIDs: 100,
			Rlimits: map[string]spec.Rlimit{"nofile": {Soft: 1024, Hard: new(int64(4096))}, "core": {}},
		}},
		{chroot, "isolation: {network: false, pid: true}\nlimits: {memory: 2Gi, cpu: 1500m, rlimits: {core: {soft: -1}}}", spec.Confinement{
			PID: true, IPC: true, NoNewPrivileges: true, Memory: 2 << 30, PIDs: 100, MilliCPU: 1500,
			Rlimits: map[string]spec.Rlimit{"nofile": {Soft: 1024, Hard: new(int64(4096))}, "core": {Soft: -1}},
		}},
		{"", "limits: {cpu: 2}", spec.Confinement{MilliCPU: 2000}},
	} {
		indent := func(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
		text := "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: c}\nspec:\n  source: {directory: {path: /srv/c}}\n" + indent(c.chroot) +
			"\n---\napiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: s}\nspec:\n  chrootRef: {name: c}\n" + indent(c.session) + "\n"
		documents, problems := spec.Parse("test.yaml", []byte(text))
		if len(problems) > 0 {
			t.Fatalf("%s\n%v", text, problems)
		}
		a := spec.Admitted{Chroot: documents[0].Object.(*spec.Chroot).Spec, Session: documents[1].Object.(*spec.Session).Spec}
		if diff := cmp.Diff(c.want, a.Confinement()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestRlimitValues(t *testing.T) {
	for _, c := range []struct {
		r          spec.Rlimit
		soft, hard uint64
	}{
		{spec.Rlimit{Soft: 5}, 5, 5},
		{spec.Rlimit{Soft: 5, Hard: new(int64(6))}, 5, 6},
		{spec.Rlimit{Soft: 5, Hard: new(int64(-1))}, 5, math.MaxUint64},
		{spec.Rlimit{Soft: -1}, math.MaxUint64, math.MaxUint64},
		{spec.Rlimit{}, 0, 0},
	} {
		if soft, hard := c.r.Values(); soft != c.soft || hard != c.hard {
			t.Errorf("%+v: %d and %d", c.r, soft, hard)
		}
	}
}

func TestWrongLimits(t *testing.T) {
	for limits, want := range map[string]string{
		"{memory: 0}":                              "limits.memory",
		"{memory: 4Ki}":                            "must be at least 1Mi",
		"{memory: -1Gi}":                           "limits.memory",
		"{pids: 0}":                                "limits.pids",
		"{cpu: 1m}":                                "must be at least 10m",
		"{rlimits: {nofiles: {soft: 1}}}":          `did you mean "nofile"`,
		"{rlimits: {nofile: {soft: -2}}}":          "limits.rlimits[nofile].soft",
		"{rlimits: {nofile: {soft: 1, hard: -2}}}": "limits.rlimits[nofile].hard",
		"{rlimits: {nofile: {soft: 2, hard: 1}}}":  "must not be more than hard",
		"{rlimits: {nofile: {soft: -1, hard: 1}}}": "must not be more than hard",
		"{rlimits: {nofile: 1024}}":                "want a mapping",
		"{memory: much}":                           "limits.memory",
	} {
		text := "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: s}\nspec:\n  chrootRef: {name: c}\n  limits: " + limits + "\n"
		_, problems := spec.Parse("test.yaml", []byte(text))
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v, want one with %q", limits, problems, want)
		}
	}
}
