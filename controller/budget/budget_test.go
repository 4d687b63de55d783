package budget_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/controller/budget"
)

func TestDecide(t *testing.T) {
	const gib = 1 << 30
	disk := func(free int64) budget.Host {
		return budget.Host{Disks: []budget.Disk{{Name: "the state folder", Path: "/s", Size: 100 * gib, Free: free, Files: 1000, FreeFiles: 500}}, Loops: 3, Mounts: 10, MostMounts: 100}
	}
	five := budget.Share{Percent: 5}
	plain, loop := budget.Needs{Mounts: 2}, budget.Needs{Loops: 1, Mounts: 3}
	for _, row := range []struct {
		name   string
		limits budget.Limits
		host   budget.Host
		there  int
		line   []budget.Needs
		// want holds for each in line what its refusal says; "" for none.
		want []string
	}{
		{"nothing is limited, and nothing known", budget.Limits{}, budget.Host{}, 5000, []budget.Needs{plain, loop}, []string{"", ""}},
		{"there is room for all", budget.Limits{Sessions: 10, Loops: 10, Space: five, Files: five}, disk(50 * gib), 3, []budget.Needs{plain, loop}, []string{"", ""}},
		{"nobody waits", budget.Limits{Sessions: 1}, disk(0), 3, nil, []string{}},
		{"a disk at the mark", budget.Limits{Space: five}, disk(5 * gib), 0, []budget.Needs{plain}, []string{""}},
		{"a disk below the mark", budget.Limits{Space: five}, disk(5*gib - 1), 0, []budget.Needs{plain, loop}, []string{
			"DiskFull: the state folder (/s) has 5.0 GiB free of 100 GiB (5.0%), and 5% is to stay free", "DiskFull"}},
		{"a mark in bytes", budget.Limits{Space: budget.Share{Number: 60 * gib}}, disk(50 * gib), 0, []budget.Needs{plain}, []string{"60Gi is to stay free"}},
		{"no inodes", budget.Limits{Files: budget.Share{Number: 501}}, disk(50 * gib), 0, []budget.Needs{plain}, []string{"DiskFull: the state folder (/s) has 500 inodes free of 1000 (50.0%), and 501"}},
		{"a disk that does not count files", budget.Limits{Files: five}, budget.Host{Disks: []budget.Disk{{Size: gib, Free: gib}}}, 0, []budget.Needs{plain}, []string{""}},
		{"as many sessions as there may be", budget.Limits{Sessions: 3}, disk(gib), 3, []budget.Needs{plain}, []string{"HostFull: there are 3 sessions, and may be 3: end one, or raise --max-sessions"}},
		{"more than there may be", budget.Limits{Sessions: 3}, disk(gib), 7, []budget.Needs{plain}, []string{"there are 7 sessions, and may be 3"}},
		{"the oldest first", budget.Limits{Sessions: 5}, disk(gib), 3, []budget.Needs{plain, plain, plain}, []string{"", "", "HostFull: there are 5 sessions"}},
		{"loop devices, for those who take any", budget.Limits{Loops: 4}, disk(gib), 0, []budget.Needs{loop, loop, plain}, []string{
			"", "HostFull: 4 loop devices are in use on this host, this session takes 1, and there may be 4", ""}},
		{"who takes two is passed by who takes one", budget.Limits{Loops: 4}, disk(gib), 0, []budget.Needs{{Loops: 2}, {Loops: 1}}, []string{"HostFull", ""}},
		{"the kernel's limit of mounts", budget.Limits{}, disk(gib), 0, []budget.Needs{{Mounts: 89}, plain, {Mounts: 1}}, []string{"", "raise sysctl fs.mount-max", ""}},
		{"one's own limit of mounts", budget.Limits{Mounts: 11}, disk(gib), 0, []budget.Needs{plain}, []string{"there are 10 mounts on this host, this session takes 2, and there may be 11: end one, unmount something (findmnt lists all), or raise --max-mounts"}},
		{"one that the kernel does not allow", budget.Limits{Mounts: 1000}, disk(gib), 0, []budget.Needs{{Mounts: 95}}, []string{"raise sysctl fs.mount-max"}},
		{"what is not known is no limit", budget.Limits{Loops: 1, Mounts: 1}, budget.Host{Loops: -1, Mounts: -1, MostMounts: -1}, 0, []budget.Needs{loop, loop}, []string{"", ""}},
	} {
		verdicts := budget.Decide(row.limits, row.host, row.there, row.line)
		if len(verdicts) != len(row.line) {
			t.Fatalf("%s: %d verdicts on %d", row.name, len(verdicts), len(row.line))
		}
		for i, v := range verdicts {
			text := v.Reason + ": " + v.Message
			if v.Refused() != (row.want[i] != "") || v.Refused() && !strings.Contains(text, row.want[i]) {
				t.Errorf("%s: number %d is told %q, want %q", row.name, i, text, row.want[i])
			}
			if v.Refused() && !strings.HasSuffix(v.Message, "it begins by itself then") {
				t.Errorf("%s: it does not say that it goes on by itself: %q", row.name, v.Message)
			}
		}
	}
}

func TestShare(t *testing.T) {
	for text, want := range map[string]struct {
		of1000 int64
		prints string
	}{
		"0": {0, "0"}, "0%": {0, "0"}, "5%": {50, "5%"}, "0.5%": {5, "0.5%"}, "1Ki": {1024, "1Ki"}, "10Gi": {10 << 30, "10Gi"}, "100": {100, "100"},
	} {
		var s budget.Share
		if err := s.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got := struct {
			of1000 int64
			prints string
		}{s.Of(1000), s.String()}
		if got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "-1%", "100%", "x%", "NaN%", "2Ei", "5 %"} {
		s := budget.Share{Number: 7}
		if err := s.Set(text); err == nil || !cmp.Equal(s, budget.Share{Number: 7}) {
			t.Errorf("%q is taken for %+v: %v", text, s, err)
		}
	}
}
