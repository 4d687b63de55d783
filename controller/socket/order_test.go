package socket

import (
	"github.com/google/go-cmp/cmp"

	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

var (
	superuser = Account{Name: "root", Home: "/root"}
	somebody  = Account{Shell: "/bin/zsh", UID: 1000, GID: 100, Name: "me", Home: "/home/me", Groups: []int{27, 100}}
)

func TestOrder(t *testing.T) {
	for _, row := range []struct {
		name     string
		exec     wire.Exec
		admitted spec.Admitted
		as       Account
		want     func(keeper.Order) bool
	}{
		{"a command", wire.Exec{Args: []string{"make", "-j"}}, spec.Admitted{}, somebody, func(o keeper.Order) bool {
			return strings.Join(o.Args, " ") == "make -j" && !o.Login && o.UID == 1000 && o.GID == 100 && len(o.Groups) == 2 && o.Grace == grace
		}},
		{"a login shell", wire.Exec{}, spec.Admitted{}, somebody, func(o keeper.Order) bool {
			return len(o.Args) == 0 && o.AsShell && o.Login && strings.Join(o.Shells, " ") == "/bin/zsh /bin/bash /bin/sh"
		}},
		{"a login shell of somebody who may not log in", wire.Exec{}, spec.Admitted{}, Account{Shell: "/usr/sbin/nologin"}, func(o keeper.Order) bool {
			return strings.Join(o.Shells, " ") == "/bin/bash /bin/sh"
		}},
		{"a login shell of nobody known", wire.Exec{}, spec.Admitted{}, Account{}, func(o keeper.Order) bool {
			return strings.Join(o.Shells, " ") == "/bin/bash /bin/sh"
		}},
		{"the chroot's shell", wire.Exec{}, spec.Admitted{Chroot: spec.ChrootSpec{Shell: "/bin/bash"}}, somebody, func(o keeper.Order) bool { return strings.Join(o.Shells, " ") == "/bin/bash" && o.AsShell }},
		{"a shell that is asked for", wire.Exec{Shell: "/bin/zsh"}, spec.Admitted{Chroot: spec.ChrootSpec{Shell: "/bin/bash"}}, somebody, func(o keeper.Order) bool { return strings.Join(o.Shells, " ") == "/bin/zsh" && o.AsShell }},
		{"a prefix", wire.Exec{Args: []string{"make"}}, spec.Admitted{Chroot: spec.ChrootSpec{CommandPrefix: []string{"eatmydata", "--"}}}, somebody, func(o keeper.Order) bool {
			return strings.Join(o.Args, " ") == "eatmydata -- make"
		}},
		{"a prefix before a shell", wire.Exec{}, spec.Admitted{Chroot: spec.ChrootSpec{CommandPrefix: []string{"eatmydata"}}}, somebody, func(o keeper.Order) bool {
			return strings.Join(o.Args, " ") == "eatmydata" && o.AsShell && !o.Login
		}},
		{"here, or at home", wire.Exec{Args: []string{"x"}, Here: "/src"}, spec.Admitted{}, somebody, func(o keeper.Order) bool {
			return strings.Join(o.Folders, " ") == "/src /home/me" && !o.Strict
		}},
		{"a folder that must be there", wire.Exec{Args: []string{"x"}, Here: "/src", Folder: "/build"}, spec.Admitted{}, somebody, func(o keeper.Order) bool {
			return strings.Join(o.Folders, " ") == "/build" && o.Strict
		}},
		{"what is no path is no folder", wire.Exec{Args: []string{"x"}, Here: "src"}, spec.Admitted{}, Account{}, func(o keeper.Order) bool { return len(o.Folders) == 0 }},
		{"a grace period", wire.Exec{Args: []string{"x"}}, spec.Admitted{Session: spec.SessionSpec{GracePeriod: &metav1.Duration{Duration: time.Minute}}}, somebody, func(o keeper.Order) bool {
			return o.Grace == time.Minute
		}},
		{"isolation", wire.Exec{Args: []string{"x"}}, spec.Admitted{Chroot: spec.ChrootSpec{Isolation: &spec.Isolation{Network: new(true)}, Personality: "linux32"}}, somebody, func(o keeper.Order) bool {
			return o.Network && !o.PID && o.Personality == "linux32"
		}},
		{"limits of the process", wire.Exec{Args: []string{"x"}}, spec.Admitted{Chroot: spec.ChrootSpec{Limits: &spec.Limits{Rlimits: map[string]spec.Rlimit{"core": {Soft: 0}, "nofile": {Soft: 10, Hard: new(int64(-1))}}}}}, somebody, func(o keeper.Order) bool {
			return o.Resources["core"] == keeper.Resource{} && o.Resources["nofile"].Soft == 10 && o.Resources["nofile"].Hard == 1<<64-1
		}},
	} {
		o, err := orderOf(row.exec, row.admitted, row.as)
		if err != nil || !row.want(o) {
			t.Errorf("%s: %+v, %v", row.name, o, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	set := func(s string) *spec.Environment { return &spec.Environment{Set: map[string]string{"X": s}} }
	for _, row := range []struct {
		name     string
		exec     wire.Exec
		admitted spec.Admitted
		as       Account
		want     string
	}{
		{"of root", wire.Exec{}, spec.Admitted{Name: "s"}, superuser,
			"COPPICE_SESSION=s HOME=/root LOGNAME=root PATH=" + rootPath + " USER=root"},
		{"of somebody", wire.Exec{}, spec.Admitted{Name: "s", ChrootName: "c"}, somebody,
			"COPPICE_CHROOT=c COPPICE_SESSION=s HOME=/home/me LOGNAME=me PATH=" + otherPath + " USER=me"},
		{"the terminal's kind is handed on, and nothing else", wire.Exec{Env: []string{"TERM=vt100", "LANG=C", "PATH=/x"}}, spec.Admitted{Name: "s"}, somebody,
			"COPPICE_SESSION=s HOME=/home/me LOGNAME=me PATH=" + otherPath + " TERM=vt100 USER=me"},
		{"all is handed on", wire.Exec{Preserve: true, Env: []string{"A=b=c", "HOME=/x", "PATH=/y", "EMPTY="}}, spec.Admitted{Name: "s"}, somebody,
			"A=b=c COPPICE_SESSION=s EMPTY= HOME=/x LOGNAME=me PATH=/y USER=me"},
		{"but root's search path", wire.Exec{Preserve: true, Env: []string{"PATH=/y", "A=b"}}, spec.Admitted{Name: "s"}, superuser,
			"A=b COPPICE_SESSION=s HOME=/root LOGNAME=root PATH=" + rootPath + " USER=root"},
		{"but what the chroot filters, by whole names", wire.Exec{Preserve: true, Env: []string{"LD_PRELOAD=/x", "OLD_LD_X=1", "ENV=2"}},
			spec.Admitted{Name: "s", Chroot: spec.ChrootSpec{Environment: &spec.Environment{Filter: "LD_.*|ENV"}}}, somebody,
			"COPPICE_SESSION=s HOME=/home/me LOGNAME=me OLD_LD_X=1 PATH=" + otherPath + " USER=me"},
		{"who the session is cannot be lied about", wire.Exec{Preserve: true, Env: []string{"COPPICE_SESSION=other"}}, spec.Admitted{Name: "s"}, somebody,
			"COPPICE_SESSION=s HOME=/home/me LOGNAME=me PATH=" + otherPath + " USER=me"},
		{"the session's goes before the chroot's", wire.Exec{}, spec.Admitted{Name: "s", Chroot: spec.ChrootSpec{Environment: set("chroot")}, Session: spec.SessionSpec{Environment: set("session")}}, Account{UID: 1, Home: "/"},
			"COPPICE_SESSION=s HOME=/ PATH=" + otherPath + " X=session"},
	} {
		o, err := orderOf(row.exec, row.admitted, row.as)
		if got := strings.Join(o.Env, " "); err != nil || got != row.want {
			t.Errorf("%s:\n%s, %v, want\n%s", row.name, got, err, row.want)
		}
	}
	if _, err := orderOf(wire.Exec{Args: []string{"x"}}, spec.Admitted{Chroot: spec.ChrootSpec{Environment: &spec.Environment{Filter: "("}}}, somebody); err == nil {
		t.Error("a filter that is no expression lets all through")
	}
}

func TestConfine(t *testing.T) {
	o := keeper.Order{PID: true}
	hard := int64(-1)
	confine(&o, spec.Confinement{Network: true, NoNewPrivileges: true, Rlimits: map[string]spec.Rlimit{"nofile": {Soft: 64, Hard: &hard}, "core": {}}})
	want := keeper.Order{Network: true, NoNewPrivileges: true, Resources: map[string]keeper.Resource{"nofile": {Soft: 64, Hard: keeper.Unlimited}, "core": {}}}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
