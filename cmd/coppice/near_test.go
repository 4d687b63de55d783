package main

import (
	"strings"
	"testing"

	"coppice.dev/controller/socket/wire"
)

func TestNearest(t *testing.T) {
	names := []string{"build-1", "build-2", "web", "db"}
	for word, want := range map[string]string{"biuld-1": "build-1", "buil-2": "build-2", "build-1": "", "wbe": "", "wep": "web", "dd": "db", "x": "", "": "", "something": ""} {
		if got := nearest(word, names); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// TestDidYouMean calls commands as somebody does who mistypes: what was meant is offered
// for commands, flags, kinds and names.
func TestDidYouMean(t *testing.T) {
	h := newHouse(t)
	h.tell("Session", "build-1", "", nil)
	h.tell("Chroot", "bookworm", "", nil)
	for args, want := range map[string]string{
		"gte sessions": "did you mean get?", "start bookworm": "did you mean begin?", "log build-1": "did you mean logs?",
		"export schrot": `no command "export schrot"; did you mean schroot?`, "help desribe": "did you mean describe?", "frobnicate": "see coppice --help",
		"completion basch":            "did you mean bash?",
		"get sessions --selektor a=b": "unknown flag: --selektor; did you mean --selector?", "run c --timout 5s": "did you mean --timeout?",
		"get --colour never": "did you mean --color?", "get sessions -z": "see coppice get --help", "get --nothing-like-it": "see coppice get --help",
		"get sesions": "did you mean sessions?", "explain sesion.spec": "did you mean sessions?", "explain session.spec.tll": "did you mean session.spec.ttl?",
		"describe chroot bookwurm": `did you mean "bookworm"?`, "tree biuld-1": `did you mean "build-1"?`, "top biuld-1": `did you mean "build-1"?`,
		"wait session/biuld-1 --timeout 0": `no such session; did you mean "build-1"?`, "events session/biuld-1": `did you mean "build-1"?`,
	} {
		out, errOut, code := h.call("", strings.Fields(args)...)
		if code == 0 || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("coppice %s: exit code %d, %q, want %q", args, code, out+errOut, want)
		}
	}
}

// TestDidYouMeanOfTheDaemon has the daemon say that there is no such thing.
func TestDidYouMeanOfTheDaemon(t *testing.T) {
	d := newDaemon(t)
	d.settle("build-1", "Ready")
	d.refuses(&wire.Error{Reason: "NotFound", Message: "it is not there"})
	for args, code := range map[string]int{
		"exec biuld-1 -- true": 125, "end biuld-1": 1, "suspend biuld-1": 1, "resume biuld-1": 1, "reconcile biuld-1": 1, "save biuld-1": 1, "cp biuld-1:/a .": 1, "shell biuld-1": 125,
	} {
		if _, errOut, got := d.coppice(strings.Fields(args)...); got != code || !strings.Contains(errOut, `did you mean "build-1"?`) {
			t.Errorf("%s: exit code %d: %s", args, got, errOut)
		}
	}
	// It is there, and something else is not.
	if _, errOut, _ := d.coppice("exec", "build-1", "--", "true"); strings.Contains(errOut, "did you mean") {
		t.Error(errOut)
	}
	d.refuses(&wire.Error{Reason: "Forbidden", Message: "no"})
	if _, errOut, _ := d.coppice("end", "biuld-1"); strings.Contains(errOut, "did you mean") {
		t.Error(errOut)
	}
}
