package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// step is something that people, sync tools or accidents do.
type step struct {
	name   string
	weight int
	// do does it. It returns what was done, "" if there was nothing to do it to.
	do func(*soak) (string, error)
}

// steps are all of them, damage aside.
var steps = []step{
	{"create", 26, (*soak).create},
	{"apply", 6, (*soak).apply},
	{"run", 4, (*soak).errand},
	{"change", 14, (*soak).change},
	{"break", 9, (*soak).spoil},
	{"double", 4, (*soak).double},
	{"heal", 6, (*soak).heal},
	{"delete", 14, (*soak).delete},
	{"replace", 4, (*soak).replace},
	{"chroot", 6, (*soak).chroot},
	{"sync", 8, (*soak).swap},
	{"dangle", 2, (*soak).dangle},
	{"enter", 8, (*soak).enter},
	{"damage", 34, (*soak).damage},
	{"kill", 14, (*soak).crash},
	{"term", 4, (*soak).term},
	{"stop", 4, (*soak).pause},
	{"start", 14, (*soak).begin},
}

// next does one step.
func (s *soak) next() error {
	sum := 0
	for _, st := range steps {
		sum += st.weight
	}
	n := s.r.IntN(sum)
	for _, st := range steps {
		if n -= st.weight; n >= 0 {
			continue
		}
		what, err := st.do(s)
		if err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		if what != "" {
			s.tell("%s: %s", st.name, what)
			s.figures.step(st.name)
		}
		return nil
	}
	return nil
}

func (s *soak) fresh(folder string) *item {
	name := s.name()
	if name == "" || len(s.items) >= mostSessions {
		return nil
	}
	i := &item{name: name, recipe: draw(s.r, name, s.free())}
	if i.hope == ready && s.r.IntN(9) == 0 {
		i.hope = expires
	}
	i.path = folder + "/session-" + name + ".yaml"
	s.items[name] = i
	return i
}

func (s *soak) create() (string, error) {
	folder := lasting
	if s.r.IntN(3) == 0 {
		if _, err := os.Stat(s.path(runtimed)); err == nil {
			folder = runtimed
		}
	}
	i := s.fresh(folder)
	if i == nil {
		return "", nil
	}
	return fmt.Sprintf("%s (%s, %s) in %s", i.name, i.kind, i.hope, folder), s.write(i)
}

// apply creates a session as people do.
func (s *soak) apply() (string, error) {
	if !s.daemon.up() {
		return "", nil
	}
	i := s.fresh(runtimed)
	if i == nil {
		return "", nil
	}
	draft := s.path("draft.yaml")
	if err := os.WriteFile(draft, []byte(s.expand(i.manifest(i.name))), 0o644); err != nil {
		return "", err
	}
	i.since = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	args := []string{"apply", "-f", draft}
	if s.r.IntN(2) == 0 {
		i.path = strings.Replace(i.path, runtimed, lasting, 1)
		args = append(args, "--to", s.path(lasting))
	}
	if out, err := s.coppice(ctx, args...); err != nil {
		return "", fmt.Errorf("coppice apply of %s: %w: %s", i.name, err, out)
	}
	return fmt.Sprintf("%s (%s, %s) to %s", i.name, i.kind, i.hope, i.path), nil
}

// errand runs a command in a session of its own.
func (s *soak) errand() (string, error) {
	if !s.daemon.up() || len(s.running) >= 2 {
		return "", nil
	}
	e := errand{name: fmt.Sprintf("run-%d", len(s.story)), ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		// It may fail, since the daemon may be killed. What it leaves is looked at.
		_, _ = s.coppice(ctx, "run", "--timeout", "20s", "--name", e.name, s.path("root"), "--", "sleep", "0.1")
	}()
	s.running = append(s.running, e)
	return e.name, nil
}

func (s *soak) change() (string, error) {
	i := s.any(func(i *item) bool { return i.broken == "" && i.hope != expires })
	if i == nil {
		return "", nil
	}
	i.vary(s.r, i.name, false)
	i.changed = true
	if strings.HasPrefix(i.path, synced) {
		return i.name + " by a swap: " + strings.Join(i.lines, "; "), s.sync()
	}
	return i.name + ": " + strings.Join(i.lines, "; "), s.write(i)
}

// spoil makes a manifest say nothing that can be used.
func (s *soak) spoil() (string, error) {
	i := s.any(func(i *item) bool { return i.broken == "" && i.hope == ready && !strings.HasPrefix(i.path, synced) })
	if i == nil {
		return "", nil
	}
	text := s.expand(i.manifest(i.name))
	switch s.r.IntN(5) {
	case 0:
		i.broken, text = "half written", text[:strings.Index(text, "spec:")+s.r.IntN(8)]
	case 1:
		i.broken, text = "empty", ""
	case 2:
		i.broken, text = "no YAML", "{"+text
	case 3:
		i.broken, text = "unknown field", text+"  chrotRef: {name: x}\n"
	default:
		i.broken, text = "no name", strings.Replace(text, "{name: "+i.name+"}", "{}", 1)
	}
	return i.name + ": " + i.broken, os.WriteFile(s.path(i.path), []byte(text), 0o644)
}

// double writes a session's manifest a second time.
func (s *soak) double() (string, error) {
	i := s.any(func(i *item) bool { return i.broken == "" && i.hope == ready && !strings.HasPrefix(i.path, synced) })
	if i == nil {
		return "", nil
	}
	i.broken = "twice"
	return i.name, os.WriteFile(s.path(lasting+"/twin-"+i.name+".yaml"), []byte(s.expand(i.manifest(i.name))), 0o644)
}

func (s *soak) heal() (string, error) {
	i := s.any(func(i *item) bool { return i.broken != "" })
	if i == nil {
		return "", nil
	}
	return i.name, s.mend(i)
}

// mend makes a manifest good again.
func (s *soak) mend(i *item) error {
	if i.broken == "twice" {
		i.broken = ""
		return os.Remove(s.path(lasting + "/twin-" + i.name + ".yaml"))
	}
	return s.write(i)
}

func (s *soak) delete() (string, error) {
	i := s.any(func(i *item) bool { return !strings.HasPrefix(i.path, synced) })
	if i == nil {
		return "", nil
	}
	if strings.HasPrefix(i.path, runtimed) && i.broken == "" && s.daemon.up() && s.r.IntN(2) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if out, err := s.coppice(ctx, "delete", "--wait=false", "session", i.name); err != nil {
			// A daemon that has just begun may not have told of it yet.
			if _, told := s.status(i.name); told {
				return "", fmt.Errorf("coppice delete %s: %w: %s", i.name, err, out)
			}
			return i.name, s.withdraw(i)
		}
		s.gone(i)
		return i.name + " by command", nil
	}
	return i.name, s.withdraw(i)
}

// replace deletes a session and writes it again at once.
func (s *soak) replace() (string, error) {
	i := s.any(func(i *item) bool {
		return i.broken == "" && i.hope == ready && !i.wait && !strings.HasPrefix(i.path, synced)
	})
	if i == nil {
		return "", nil
	}
	if err := os.Remove(s.path(i.path)); err != nil {
		return "", err
	}
	time.Sleep(time.Duration(s.r.IntN(60)) * time.Millisecond)
	i.seen = false
	return i.name, s.write(i)
}

// chroot edits or removes a Chroot that sessions refer to.
func (s *soak) chroot() (string, error) {
	name := fmt.Sprintf("c%d", s.r.IntN(references))
	path := s.path(lasting + "/chroot-" + name + ".yaml")
	if s.refs[name] && s.r.IntN(3) == 0 {
		s.refs[name] = false
		return name + " removed", os.Remove(path)
	}
	s.refs[name] = true
	kinds := []int{0, 1, 4, 7, 10} // what any number of sessions may have
	c := chroots[kinds[s.r.IntN(len(kinds))]]
	return name + " is " + c.kind, os.WriteFile(path, []byte(s.expand(chrootManifest(name, c.text))), 0o644)
}

// swap is what a sync tool does: a new folder, and a link that leads there.
func (s *soak) swap() (string, error) {
	in := func(i *item) bool { return strings.HasPrefix(i.path, synced) }
	did := "as it was"
	switch i := s.any(in); {
	case i == nil || s.r.IntN(2) == 0:
		if i = s.fresh(synced); i != nil {
			i.since = time.Now()
			if s.r.IntN(2) == 0 {
				i.path = synced + "/several.yaml"
			}
			did = fmt.Sprintf("with %s (%s, %s) in %s", i.name, i.kind, i.hope, i.path)
		}
	case s.r.IntN(2) == 0:
		s.gone(i)
		did = "without " + i.name
	}
	return did, s.sync()
}

// dangle lets the link of the synced folder lead nowhere.
func (s *soak) dangle() (string, error) {
	s.dangles = true
	return "the synced folder is a link to nothing", s.point("nowhere")
}

func (s *soak) crash() (string, error) {
	if s.daemon.cmd == nil {
		return "", nil
	}
	time.Sleep(time.Duration(s.r.IntN(30)) * time.Millisecond)
	if err := s.daemon.alive(); err != nil {
		return "", err
	}
	s.daemon.kill()
	s.daemon.kills++
	if s.r.IntN(3) > 0 {
		return "and start", s.daemon.start()
	}
	return "it stays away", nil
}

func (s *soak) term() (string, error) {
	if s.daemon.cmd == nil {
		return "", nil
	}
	s.daemon.terms++
	if err := s.daemon.terminate(); err != nil {
		return "", err
	}
	return "and start", s.daemon.start()
}

func (s *soak) pause() (string, error) {
	if !s.daemon.up() {
		return "", nil
	}
	s.daemon.stops++
	s.daemon.stop()
	return fmt.Sprint(syscall.SIGSTOP), nil
}

func (s *soak) begin() (string, error) {
	if s.daemon.up() {
		return "", nil
	}
	return "or go on", s.daemon.start()
}
