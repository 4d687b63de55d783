package metrics

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"coppice.dev/controller"
	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/status"
)

// full returns metrics of which each has a value.
func full() *Metrics {
	m := New("1.2.3")
	m.Passed("session", time.Millisecond, 20*time.Millisecond)
	m.Looked("session", time.Millisecond, []object.Kind{object.KindHome})
	m.Stepped(object.KindMount, plan.Create, 3*time.Millisecond, "")
	m.Stepped(object.KindMount, plan.Create, 3*time.Millisecond, fault.NoSpace)
	for _, i := range []controller.Incident{
		{What: controller.Failed, Of: "session", Reason: "NoSpace"}, {What: controller.Repaired, Of: "Mount"},
		{What: controller.Swept, Of: "base"}, {What: controller.Admitted, Of: "session"},
		{What: controller.Ended, Of: "session", Reason: controller.EndedIdle}, {What: controller.Begun, Of: "session", Took: 2 * time.Second},
	} {
		m.Happened(i)
	}
	m.Decided("enter", true)
	m.Decided("enter", false)
	m.GivenUp()
	m.Read(map[string]string{"/etc/coppice/manifests.d": "", "/gone": "it is missing"})
	m.Ask(func() controller.Figures {
		return controller.Figures{
			Phases:   map[string]map[status.Phase]int{"Session": {status.Ready: 7, status.Failed: 1}},
			NotReady: map[string]int{"NoSpace": 1}, Longest: time.Minute, Outdated: map[string]int{"DeletionHeld": 2}, Drifted: 1,
			Leases: 3, Strays: 2, Occupied: 2, Objects: map[string]int{"Mount": 40}, Bases: map[string]int{controller.BaseInUse: 2},
			Pace:      controller.Pace{Waiting: 5, Oldest: time.Second, Working: 4, Hanging: 1, Longest: 40 * time.Second, Workers: 4, Failing: map[string]int{"session": 1}},
			Manifests: controller.ManifestFigures{Objects: map[string]int{"Session": 8}, Stale: 1, Files: 1, Folders: map[string]bool{"/etc/coppice/manifests.d": true, "/gone": false}, Held: 2, Deaf: true},
			Troubles:  map[string]int{controller.ReasonTrash: 1}, Unwritten: 3, Round: time.Unix(1000, 0), RoundTook: 12 * time.Millisecond, RoundsFailed: 1,
		}
	}, func() Host {
		return Host{
			Disks: map[string]Disk{"state": {100, 50, 40, 1000, 900}}, Mounts: 60, MostMounts: 100000, MostNamespaces: 90000, Loops: 3, Trash: 1,
			Thick: 1, Thin: 2, Unwell: 1, Fullest: .5, VolumesLooked: time.Unix(900, 0), Pools: map[string][2]float64{"vg/pool": {.25, .1}},
			Uppers: Uppers{At: time.Unix(800, 0), Sessions: 6, All: 4096, Largest: 1024}, Polling: true, Deaf: map[string]bool{"mounts": true, "leases": false},
			Resync: 45 * time.Second, Ready: true,
		}
	})
	return m
}

// TestEveryMetricIsDefined: what is told is what there are definitions of, no less and
// no more.
func TestEveryMetricIsDefined(t *testing.T) {
	families, err := full().Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "coppice_") {
			told[name] = true
		}
	}
	for _, d := range Definitions() {
		if !told[d.Name] {
			t.Errorf("%s is defined and never told", d.Name)
		}
		delete(told, d.Name)
	}
	for name := range told {
		t.Errorf("%s is told and defined nowhere", name)
	}
}

// TestWhatIsTold: some of each sort, to the letter.
func TestWhatIsTold(t *testing.T) {
	want := `
# HELP coppice_access_decisions_total What people asked for over the socket, and whether they may.
# TYPE coppice_access_decisions_total counter
coppice_access_decisions_total{decision="granted",what="enter"} 1
coppice_access_decisions_total{decision="refused",what="enter"} 1
# HELP coppice_manifest_folder_readable Whether a watched folder can be read and believed.
# TYPE coppice_manifest_folder_readable gauge
coppice_manifest_folder_readable{folder="/etc/coppice/manifests.d"} 1
coppice_manifest_folder_readable{folder="/gone"} 0
# HELP coppice_orphans_swept_total Sessions and bases taken down that no manifest asked for, as far as was known.
# TYPE coppice_orphans_swept_total counter
coppice_orphans_swept_total{class="base"} 1
coppice_orphans_swept_total{class="session"} 0
# HELP coppice_resync_timestamp_seconds When everything was last looked for without a cause.
# TYPE coppice_resync_timestamp_seconds gauge
coppice_resync_timestamp_seconds 1000
# HELP coppice_step_failures_total Steps that failed, by kind of object and reason.
# TYPE coppice_step_failures_total counter
coppice_step_failures_total{kind="Mount",operation="Create",reason="NoSpace"} 1
# HELP coppice_thin_pool_used_ratio How full thin pools are in which sessions' snapshots lie, from 0 to 1.
# TYPE coppice_thin_pool_used_ratio gauge
coppice_thin_pool_used_ratio{part="data",pool="vg/pool"} 0.25
coppice_thin_pool_used_ratio{part="metadata",pool="vg/pool"} 0.1
# HELP coppice_uppers_bytes What sessions hold on disk by themselves, when it was last measured (--measure-uppers).
# TYPE coppice_uppers_bytes gauge
coppice_uppers_bytes 4096
`
	err := testutil.GatherAndCompare(full().Gatherer(), strings.NewReader(want),
		"coppice_access_decisions_total", "coppice_manifest_folder_readable", "coppice_orphans_swept_total", "coppice_resync_timestamp_seconds",
		"coppice_step_failures_total", "coppice_thin_pool_used_ratio", "coppice_uppers_bytes")
	if err != nil {
		t.Error(err)
	}
}

// TestAHostThatDoesNotAnswer: the rest is told all the same, and nobody asks twice.
func TestAHostThatDoesNotAnswer(t *testing.T) {
	asked, answer := 0, make(chan struct{})
	a := &asker{patience: time.Millisecond, look: func() Host { asked++; <-answer; return Host{Mounts: 5} }}
	for range 3 {
		if _, ok := a.ask(); ok {
			t.Error("a host that does not answer has answered")
		}
	}
	close(answer)
	a.patience = time.Minute
	if h, ok := a.ask(); !ok || h.Mounts != 5 {
		t.Errorf("afterwards: %+v, %v", h, ok)
	}
	if asked > 2 { // the last may have been a question of its own
		t.Errorf("it was asked %d times", asked)
	}
}

// TestPromtool: promtool finds nothing to say against names, units and help.
func TestPromtool(t *testing.T) {
	var text bytes.Buffer
	families, err := full().Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	const promtool = "../../bin/tools/promtool"
	if _, err := os.Stat(promtool); err != nil {
		t.Fatalf("%v: make deps takes it out of Debian's package", err)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = &text
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
