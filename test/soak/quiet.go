package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"coppice.dev/status"
	"coppice.dev/test/built"
)

// bound is the most that anything may take once it is quiet.
var bound = built.Moment(30 * time.Second)

// until waits until there is nothing wrong any more. It returns what is still
// wrong when the time is over.
func (s *soak) until(wrong func() string) string {
	for deadline := time.Now().Add(bound); ; {
		why := wrong()
		if why == "" {
			return ""
		}
		if err := s.daemon.alive(); err != nil {
			return err.Error()
		}
		if time.Now().After(deadline) {
			return why
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// quiet lets the daemon get on undisturbed, first with everything that is broken
// and then with that put right, and looks at everything.
func (s *soak) quiet() error {
	s.tell("quiet")
	if err := s.daemon.start(); err != nil {
		return err
	}
	if why := s.until(s.unsettled); why != "" {
		return fmt.Errorf("%s after all was left alone: %s", bound, why)
	}
	if err := s.look(); err != nil {
		return err
	}
	s.tell("quiet: all that is broken is put right, and programs inside end")
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		if i := s.items[name]; i.broken != "" {
			if err := s.mend(i); err != nil {
				return err
			}
		}
	}
	for n := range references {
		if name := fmt.Sprintf("c%d", n); !s.refs[name] {
			s.refs[name] = true
			if err := os.WriteFile(s.path(lasting+"/chroot-"+name+".yaml"), []byte(s.expand(chrootManifest(name, chroots[0].text))), 0o644); err != nil {
				return err
			}
		}
	}
	if err := s.sync(); err != nil {
		return err
	}
	s.leave()
	begun := time.Now()
	if why := s.until(func() string { return errorText(errors.Join(text(s.unsettled()), text(s.lingering()))) }); why != "" {
		return fmt.Errorf("%s after all was put right: %s", bound, why)
	}
	s.figures.converged(time.Since(begun))
	return s.look()
}

func text(why string) error {
	if why == "" {
		return nil
	}
	return errors.New(why)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// unsettled says which sessions are not as they are hoped to be.
func (s *soak) unsettled() string {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(s.items)) {
		i := s.items[name]
		if _, err := os.Lstat(s.path(i.path)); i.passes() && errors.Is(err, fs.ErrNotExist) {
			s.gone(i)
			continue
		}
		if why := s.judge(i); why != "" {
			wrong = append(wrong, why)
		} else if i.broken == "" && !i.seen && !s.unknown(i) {
			i.seen = true
			s.figures.ready(i.kind, time.Since(i.since))
		}
	}
	return strings.Join(wrong, "; ")
}

// judge says what is wrong with a session.
func (s *soak) judge(i *item) string {
	st, told := s.status(i.name)
	switch {
	case s.unknown(i):
		return ""
	case i.broken == "twice", i.broken == "unknown field":
		if why := s.isReady(i.name); why != "" {
			return why
		}
		if len(st.Problems) == 0 {
			return i.name + " does not say that its manifest is " + i.broken
		}
		return ""
	case !told:
		return i.name + " (" + i.kind + ") has no status"
	case i.hope == expires:
		if st.Phase != status.Expired {
			return i.name + " is not expired: " + sentence(st)
		}
		return ""
	case i.hope == failing:
		if st.Phase == status.Ready {
			return i.name + " is ready, with a hook that fails"
		}
		if c := st.Condition(status.ConditionReady); c == nil || c.Reason != "HookFailed" {
			return i.name + " does not say that its hook fails: " + sentence(st)
		}
		return ""
	case s.occupied(i.name) && waits(st):
		return ""
	default:
		return s.isReady(i.name)
	}
}

// occupied reports whether a program was left in a session.
func (s *soak) occupied(name string) bool {
	return slices.ContainsFunc(s.inside, func(p program) bool { return p.session == name })
}

// waits reports whether a session says that it has to be made anew, and does not
// do that under the feet of those inside.
func waits(st status.Status) bool {
	c := st.Condition(status.ConditionReady)
	return c != nil && (c.Reason == "InUse" || c.Reason == "Recreating")
}

// unknown reports whether nobody can tell what becomes of a session: it was never
// seen, and its manifest may not have been read before it was broken or lost, or
// its Chroot's.
func (s *soak) unknown(i *item) bool {
	return !i.seen && (i.broken != "" || s.dangles && strings.HasPrefix(i.path, synced) || i.ref != "" && !s.refs[i.ref])
}

// isReady says why a session is not ready.
func (s *soak) isReady(name string) string {
	st, told := s.status(name)
	if !told {
		return name + " has no status"
	}
	c := st.Condition(status.ConditionReady)
	if c == nil || c.Status != "True" || st.Phase == status.Degraded && len(st.Problems) == 0 && s.items[name] != nil && s.items[name].broken == "" {
		return name + " is not ready: " + sentence(st)
	}
	if s.pin(name) == "" {
		return name + " is told as ready, and has no pin"
	}
	return ""
}

func sentence(st status.Status) string {
	var text strings.Builder
	text.WriteString(string(st.Phase))
	for _, c := range st.Conditions {
		fmt.Fprintf(&text, ", %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return text.String()
}

// lingering says what is still there of sessions that nobody wants.
func (s *soak) lingering() string {
	s.running = slices.DeleteFunc(s.running, func(e errand) bool {
		select {
		case <-e.ended:
			s.leaving[e.name] = true
			return true
		default:
			return false
		}
	})
	var wrong []string
	for _, e := range s.running {
		wrong = append(wrong, "coppice run of "+e.name+" has not ended")
	}
	for _, name := range slices.Sorted(maps.Keys(s.leaving)) {
		left := s.remains(name)
		if len(left) == 0 {
			delete(s.leaving, name)
			continue
		}
		wrong = append(wrong, name+" is not wanted and still has "+strings.Join(left, ", "))
		if st, told := s.status(name); told {
			wrong = append(wrong, sentence(st))
		}
	}
	return strings.Join(wrong, "; ")
}

// remains returns what is left of a session.
func (s *soak) remains(name string) []string {
	var left []string
	for _, path := range []string{"state/sessions/" + name, "run/sessions/" + name, "run/status/session/" + name + ".yaml", "hooked/" + name} {
		if _, err := os.Lstat(s.path(path)); err == nil {
			left = append(left, path)
		}
	}
	if pin := s.pin(name); pin != "" {
		left = append(left, pin)
	}
	return left
}

// look wants that nothing was hurt that should not have been.
func (s *soak) look() error {
	wrong := append(s.testify(), s.noticeAlike()...)
	s.figures.wrong += len(wrong)
	if why := s.until(func() string {
		if n := s.daemon.measure(); n > 0 {
			return fmt.Sprintf("%d programs that coppiced started have ended and it does not notice", n)
		}
		return ""
	}); why != "" {
		wrong = append(wrong, why)
	}
	if s.daemon.maxFDs > mostFDs || s.daemon.maxRSS > mostRSS {
		wrong = append(wrong, fmt.Sprintf("coppiced uses %d KiB and %d files", s.daemon.maxRSS, s.daemon.maxFDs))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// What the daemon may use, with a score of sessions.
const (
	mostFDs = 128
	mostRSS = 192 << 10 // KiB
)
