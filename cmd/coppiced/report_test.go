package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/controller"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/object"
	"coppice.dev/reconcile/plan"
	"coppice.dev/status"
)

func seen(owner object.Owner, g object.Group, name string, kind object.Kind, change ...func(*object.Observed)) object.Observed {
	o := object.Observed{ID: object.ID{Owner: owner, Address: object.At(g, name)}, Kind: kind}
	for _, c := range change {
		c(&o)
	}
	return o
}

// step is what leads to, or away from, what was seen.
func step(op plan.Op, o object.Observed, spec object.Spec) plan.Step {
	s := plan.Step{Op: op, ID: o.ID, Seen: o, Reason: "it is not there"}
	if op != plan.Destroy {
		s.Object = object.Object{ID: o.ID, Spec: spec}
	}
	return s
}

func hook(owner object.Owner, h object.Hook) object.Observed {
	return seen(owner, object.GroupTask, "3-hook/000-"+h.Name, object.KindHook, func(o *object.Observed) { o.Spec = h })
}

// booted is what a boot may come to: some of everything.
func booted() controller.Summary {
	web, ci, old, late, bad := object.SessionOwner("web"), object.SessionOwner("ci"), object.SessionOwner("old"), object.SessionOwner("late"), object.SessionOwner("bad")
	image, tree := object.BaseOwner("aaaaaaaaaaaa"), object.BaseOwner("bbbbbbbbbbbb")
	home := func(o object.Owner) object.Observed {
		return seen(o, object.GroupHome, "home", object.KindHome, func(s *object.Observed) { s.Spec = object.Home{} })
	}
	lost := seen(web, object.GroupHome, "home", object.KindHome, func(s *object.Observed) { s.Note = "its record cannot be read: unexpected end of JSON input" })
	upper := func(o object.Owner) object.Observed { return seen(o, object.GroupWrite, "upper", object.KindUpper) }
	root := func(o object.Owner) object.Observed {
		return seen(o, object.GroupRoot, "namespace", object.KindNamespace)
	}
	view := func(o object.Owner) object.Observed { return seen(o, object.GroupView, "root", object.KindView) }
	again := hook(web, object.Hook{Name: "warm", Phase: "recover"})
	stale := root(old)
	stale.Damage = "its pin holds no namespace"
	inside := seen(old, object.GroupInside, "processes", object.KindProcesses, func(s *object.Observed) { s.Users = []object.Process{{PID: 1}, {PID: 2}} })
	device := seen(image, object.GroupDevice, "image", object.KindImage)
	return controller.Summary{
		Ready: []string{"Chroot/c", "Session/ci", "Session/late", "Session/web"},
		NotReady: []controller.Unready{
			{Name: "Manifest//etc/m.yaml", Reason: "InvalidManifest", Message: "m.yaml:1:1: it is wrong"},
			{Name: "Session/bad", Reason: "SourceMissing", Message: "open /srv: no such file"},
		},
		Suspended: []controller.Unready{{Name: "Session/zzz", Phase: status.Suspended, Reason: "Suspended", Message: "it was suspended by root"}},
		Accounts: []controller.Account{
			{Owner: image, Source: "/srv/a.img", Left: []object.Observed{device}, Taken: []plan.Step{step(plan.Create, device, object.Image{})}},
			{Owner: tree, Taken: []plan.Step{step(plan.Destroy, seen(tree, object.GroupLayer, "tree", object.KindTree), nil)}, Found: []object.Observed{seen(tree, object.GroupLayer, "tree", object.KindTree)}, Freed: 120 << 20},
			{Owner: bad, Left: []object.Observed{home(bad)}},
			{Owner: ci, Found: []object.Observed{home(ci), upper(ci), root(ci)}, Left: []object.Observed{home(ci), upper(ci), root(ci)}},
			{Owner: late, Left: []object.Observed{home(late), root(late)}, Taken: []plan.Step{
				step(plan.Create, home(late), object.Home{}), step(plan.Create, upper(late), object.Upper{}), step(plan.Create, root(late), object.Namespace{}),
				step(plan.Create, hook(late, object.Hook{Name: "setup"}), object.Hook{Name: "set", Phase: "setup"}),
				step(plan.Create, again, object.Hook{Name: "warm", Phase: "recover"}), // noted, and not run
			}},
			{Owner: old, Ended: "no manifest names it", Freed: 12 << 20, Found: []object.Observed{home(old), upper(old), stale, inside}, Taken: []plan.Step{
				step(plan.Destroy, hook(old, object.Hook{Name: "bye", Phase: "stop"}), nil),
				step(plan.Destroy, hook(old, object.Hook{Name: "net", Phase: "setup", Undo: []string{"true"}}), nil),
				step(plan.Destroy, hook(old, object.Hook{Name: "apt", Phase: "setup"}), nil), // there is nothing to undo
				step(plan.Destroy, inside, nil), step(plan.Destroy, stale, nil), step(plan.Destroy, upper(old), nil), step(plan.Destroy, home(old), nil),
			}},
			{Owner: web, Found: []object.Observed{lost, upper(web), again}, Left: []object.Observed{home(web), upper(web), root(web), view(web)}, Taken: []plan.Step{
				step(plan.Amend, home(web), object.Home{}), step(plan.Create, root(web), object.Namespace{}), step(plan.Create, view(web), object.View{}),
				step(plan.Create, seen(web, object.GroupTask, "1-file/a", object.KindFile), object.File{}), step(plan.Create, seen(web, object.GroupTask, "1-file/b", object.KindFile), object.File{}),
				step(plan.Amend, again, object.Hook{Name: "warm", Phase: "recover"}),
			}},
		},
	}
}

const bootLog = `
not ready   session bad                      SourceMissing: open /srv: no such file
as it was   session ci
new         session late                     upper made, root made, setup hook set ran
swept       session old                      no manifest names it: 1 upper (12 MiB), 1 root (its pin holds no namespace), 2 processes ended, stop hook bye ran, setup hook net undone
came back   session web                      record written again, since its record cannot be read: unexpected end of JSON input, upper kept, root made again, view made again, 2 files written, recover hook warm ran
suspended   session zzz                      it was suspended by root
new         base aaaaaaaaaaaa of /srv/a.img  image made
swept       base bbbbbbbbbbbb                1 tree (120 MiB)
not ready   manifest /etc/m.yaml             InvalidManifest: m.yaml:1:1: it is wrong
not ready   trash                            remove /t: busy
left alone  /state/sessions/mine             coppiced did not make it
total: 6 sessions (1 came back, 1 new, 1 as it was, 1 suspended, 1 swept, 1 not ready), 2 bases (1 new, 1 swept), 1 other object (1 not ready), 3 trees removed from the trash (1 from before), 132 MiB freed, 1 left alone
`

func TestReport(t *testing.T) {
	r := newReport(booted())
	r.Trash = trash{Found: 1, Removed: 3, Problem: "remove /t: busy"}
	r.LeftAlone = append(r.LeftAlone, kernel.Stranger{Path: "/state/sessions/mine", Why: "coppiced did not make it"})
	var text strings.Builder
	if err := r.print(&text, "text"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimPrefix(bootLog, "\n"), text.String()); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
}

func TestReportForMachines(t *testing.T) {
	var text strings.Builder
	if err := newReport(booted()).print(&text, "json"); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Sessions []struct {
			Name, Outcome, Reason string
			Found                 []struct{ Kind, Note, Problem string }
			Did                   []struct{ Operation, Address, Why string }
			FreedBytes            int64
		}
		Bases, LeftAlone []map[string]any
		Totals           map[string]int
		FreedBytes       int64
	}
	if err := json.Unmarshal([]byte(text.String()), &read); err != nil {
		t.Fatal(err)
	}
	if n := len(read.Sessions); n != 6 || len(read.Bases) != 2 || read.LeftAlone == nil {
		t.Fatalf("%d sessions, bases %v, left alone %v", n, read.Bases, read.LeftAlone)
	}
	old := read.Sessions[3]
	if old.Name != "old" || old.Outcome != "swept" || old.FreedBytes != 12<<20 || len(old.Did) != 7 || old.Found[2].Problem == "" {
		t.Errorf("session old: %+v", old)
	}
	if read.FreedBytes != 132<<20 || read.Totals["sessions swept"] != 1 || read.Totals["others not ready"] != 1 {
		t.Errorf("totals: %d, %v", read.FreedBytes, read.Totals)
	}
}

// A host where there is nothing is told of in one line.
func TestReportOfNothing(t *testing.T) {
	var text strings.Builder
	if err := newReport(controller.Summary{Ready: []string{"Profile/default"}}).print(&text, ""); err != nil {
		t.Fatal(err)
	}
	if text.String() != "total: no sessions, no bases\n" {
		t.Errorf("it says %q", text.String())
	}
}
