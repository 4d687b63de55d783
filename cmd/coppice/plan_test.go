package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice.dev/cmd/internal/terminal"
	"coppice.dev/controller/socket/wire"
)

// forecasts are one of each kind.
func forecasts() map[string]wire.Forecast {
	return map[string]wire.Forecast{
		"made": {Session: "made", Outcome: wire.OutcomeCreated, Steps: []wire.Step{
			{Operation: "Create", Owner: "base/1c2f", Address: "1-device/image", Name: "/srv/a.img", Reason: "it is not there"},
			{Operation: "Create", Address: "0-home/home", Reason: "it is not there"},
			{Operation: "Create", Address: "4-root/namespace", Reason: "it is not there"},
		}},
		"changed": {Session: "changed", Outcome: wire.OutcomeChanged, Fields: []string{"chroot c: spec.union.type"}, Steps: []wire.Step{
			{Operation: "Destroy", Address: "5-mounts/data", Name: "/data", Reason: "it was made otherwise"},
			{Operation: "Amend", Address: "0-home/home", Name: "/s/changed", Reason: "it was made with other settings"},
			{Operation: "Create", Address: "5-mounts/data", Reason: "it was made otherwise"},
			{Operation: "Create", Address: "5-mounts/more", Reason: "it is not there"},
		}},
		"anew": {Session: "anew", Outcome: wire.OutcomeRecreated, Why: "its manifests say something else about spec.chroot.source", Waits: "those inside: pid 7 (bash)",
			Problem: "look at /srv/b: no such file", Steps: []wire.Step{{Operation: "Destroy", Address: "0-home/home", Name: "/s/anew", Reason: "nobody wants it"}}},
		"gone": {Session: "gone", Outcome: wire.OutcomeDeleted, Why: "no manifest asks for it", Steps: []wire.Step{
			{Operation: "Destroy", Address: "0-home/home", Name: "/s/gone", Reason: "nobody wants it"},
			{Operation: "Hold", Owner: "base/9a7b", Address: "2-layer/tree", Name: "/srv/a.tar", Reason: "it is kept for 60m for the sessions to come"},
		}},
		"over":   {Session: "over", Outcome: wire.OutcomeExpired, Why: "its time to live is over", Steps: []wire.Step{{Operation: "Amend", Address: "0-home/home", Name: "/s/over", Reason: "it was made with other settings"}}},
		"waits":  {Session: "waits", Outcome: wire.OutcomePending, Problem: `chroot "sid": there is none of that name`},
		"blind":  {Session: "blind", Outcome: wire.OutcomeUnknown, Problem: "its home could not be looked at: EIO"},
		"asleep": {Session: "asleep", Outcome: wire.OutcomeChanged, Left: "it was suspended by root", Steps: []wire.Step{{Operation: "Create", Address: "5-mounts/proc", Reason: "it is not there"}}},
		"old":    {Session: "old", Outcome: wire.OutcomeUnchanged, Fields: []string{"spec.chroot.source"}},
		"built":  {Session: "built", Outcome: wire.OutcomeUnchanged, Steps: []wire.Step{{Operation: "Hold", Address: "4-root/namespace", Reason: "it was made otherwise"}}},
		"well":   {Session: "well", Outcome: wire.OutcomeUnchanged},
	}
}

func TestPrintForecasts(t *testing.T) {
	all := forecasts()
	for _, row := range []struct {
		names string
		want  string
		code  int
	}{
		{"", "Nothing is to be done.\n", 0},
		{"well", "Nothing is to be done.\n", 0},
		{"well old", `
session/old stays as it is until it is deleted: a running session cannot take what has changed in spec.chroot.source

Nothing is to be done.
`, 0},
		{"built", `
session/built stays as it is until it is deleted
  ! 4-root/namespace    it was made otherwise

Nothing is to be done.
`, 0},
		{"made", `
session/made is made
  + base/1c2f 1-device/image  /srv/a.img
  + 0-home/home
  + 4-root/namespace

Sessions: 1 to make. Objects: 3 to make. Nothing was done.
`, 1},
		{"changed well", `
session/changed changes
    what has changed in chroot c: spec.union.type it cannot take before it is deleted
  - 5-mounts/data  /data       it was made otherwise
  ~ 0-home/home    /s/changed  it was made with other settings
  + 5-mounts/data
  + 5-mounts/more              it is not there

Sessions: 1 to change. Objects: 2 to make, 1 to change, 1 to take down. Nothing was done.
`, 1},
		{"anew gone over", `
session/anew is taken down and made anew: its manifests say something else about spec.chroot.source
    that waits for those inside: pid 7 (bash)
    and then cannot be made: look at /srv/b: no such file
  - 0-home/home  /s/anew

session/gone is taken down: no manifest asks for it
  - 0-home/home             /s/gone
  ! base/9a7b 2-layer/tree  /srv/a.tar  it is kept for 60m for the sessions to come

session/over is taken down: its time to live is over
  ~ 0-home/home  /s/over  it was made with other settings

Sessions: 1 to make anew, 2 to take down. Objects: 1 to change, 2 to take down. Nothing was done.
`, 1},
		{"waits asleep", `
session/waits cannot be made: chroot "sid": there is none of that name

session/asleep is not as wanted
    it is left so: it was suspended by root
  + 5-mounts/proc    it is not there

Sessions: 1 left as they are, 1 that cannot be made. Nothing was done.
`, 1},
		{"made blind", `
session/made is made
  + base/1c2f 1-device/image  /srv/a.img
  + 0-home/home
  + 4-root/namespace

session/blind cannot be told of: its home could not be looked at: EIO

Sessions: 1 to make, 1 that cannot be told of. Objects: 3 to make. Nothing was done.
`, 2},
	} {
		var list []wire.Forecast
		for name := range strings.FieldsSeq(row.names) {
			list = append(list, all[name])
		}
		var out strings.Builder
		printForecasts(terminal.Output{Writer: &out}, list)
		check(t, out.String(), row.want)
		if code := planCode(list); code != row.code {
			t.Errorf("%s: exit code %d, want %d", row.names, code, row.code)
		}
	}
}

// planner stands in for a daemon that is asked for plans.
func (h *house) planner(answer wire.Forecasts) (asked *wire.Plan) {
	h.t.Helper()
	asked = new(wire.Plan)
	l, err := net.Listen("unix", filepath.Join(h.run, wire.SocketName))
	if err != nil {
		h.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = wire.Plan{}
		if err := json.NewDecoder(r.Body).Decode(asked); err != nil {
			h.t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})}
	go func() { _ = server.Serve(l) }() // it ends with Close
	h.t.Cleanup(func() { server.Close() })
	return asked
}

func TestPlan(t *testing.T) {
	h := newHouse(t)
	out, errOut, code := h.call("", "plan")
	wants(t, "no daemon", code, 2, out+errOut, "coppiced is not running")
	all := forecasts()
	asked := h.planner(wire.Forecasts{Items: []wire.Forecast{all["made"]}})
	h.call(labelled("old", "team: x", "c"), "apply", "-f", "-")
	h.tell("Session", "old", h.manifests+"/session-old.yaml", map[string]string{"team": "x"})
	h.tell("Chroot", "c", h.manifests+"/chroot-c.yaml", nil)
	for _, row := range []struct {
		args, in  string
		manifests int
		without   []wire.Key
		lasting   bool
		code      int
		says      string
	}{
		{args: "plan", code: 1, says: "session/made is made"},
		{args: "plan -f -", in: labelled("a", "", "c") + "---\n" + labelled("b", "", "c"), manifests: 2, code: 1},
		{args: "plan -f - -l team=y", in: labelled("a", "", "c") + "---\n" + labelled("b", `team: "y"`, "c"), manifests: 1, code: 1},
		{args: "plan -f - --prune -l team=x", in: labelled("a", "team: x", "c"), manifests: 1, without: []wire.Key{{Kind: "Session", Name: "old"}}, code: 1},
		{args: "plan -f - --to " + h.run, in: labelled("a", "", "c"), manifests: 1, lasting: true, code: 1},
		{args: "plan -f - --to " + h.manifests + "/", in: labelled("a", "", "c"), manifests: 1, code: 1},
		{args: "plan --without session/old --without chroot/c", without: []wire.Key{{Kind: "Session", Name: "old"}, {Kind: "Chroot", Name: "c"}}, code: 1},
		{args: "plan -o json", code: 1, says: `"outcome": "Created"`},
		{args: "plan -o yaml", code: 1, says: "outcome: Created"},
		{args: "plan -o xml", code: 2, says: "want text, json or yaml"},
		{args: "plan --without session/ol", code: 2, says: `did you mean "old"?`},
		{args: "plan --without old", code: 2, says: "there is no kind"},
		{args: "plan --without sessions", code: 2, says: "want KIND/NAME"},
		{args: "plan --prune", code: 2, says: "name them with -f"},
		{args: "plan -f - --prune", in: labelled("a", "", "c"), code: 2, says: "--prune needs to know"},
		{args: "plan -f -", in: labelled("a", "", "c") + "x: y\n", code: 2, says: "unknown field"},
		{args: "plan x.yaml", code: 2, says: "name files with -f"},
	} {
		*asked = wire.Plan{}
		out, errOut, code := h.call(row.in, strings.Fields(row.args)...)
		wants(t, row.args, code, row.code, out+errOut, row.says)
		if len(asked.Manifests) != row.manifests || !slices.Equal(asked.Without, row.without) || asked.Lasting != row.lasting {
			t.Errorf("%s: it asks for %+v", row.args, *asked)
		}
	}
	if _, err := os.Stat(h.manifests + "/session-old.yaml"); err != nil {
		t.Errorf("a plan has taken something away: %v", err)
	}
}
