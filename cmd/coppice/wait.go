package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/status"
)

// goal is what is waited for.
type goal struct {
	gone      bool
	condition string
	value     string
	// name is of a goal that ok tells of.
	name string
	ok   func(*status.File) bool
}

// parseGoal reads the value of --for.
func parseGoal(text string) (goal, error) {
	if text == "delete" {
		return goal{gone: true}, nil
	}
	kind, rest, _ := strings.Cut(text, "=")
	if kind != "condition" || rest == "" {
		return goal{}, usagef("--for=%s: want condition=Ready, condition=Ready=False or delete", text)
	}
	name, value, given := strings.Cut(rest, "=")
	if !given {
		value = "True"
	}
	for known := range strings.FieldsSeq("Ready Reconciling Stalled UpToDate Suspended") {
		if strings.EqualFold(name, known) {
			name = known
		}
	}
	switch strings.ToLower(value) {
	case "true", "false", "unknown":
	default:
		return goal{}, usagef("--for=%s: a condition is True, False or Unknown", text)
	}
	return goal{condition: name, value: strings.ToUpper(value[:1]) + strings.ToLower(value[1:])}, nil
}

func (g goal) String() string {
	switch {
	case g.ok != nil:
		return g.name
	case g.gone:
		return "gone"
	case g.value == "True":
		return g.condition
	}
	return g.condition + "=" + g.value
}

// met reports whether the object's status, nil if there is none, is the goal.
func (g goal) met(f *status.File) bool {
	switch {
	case g.ok != nil:
		return g.ok(f)
	case g.gone:
		return f == nil
	case f == nil:
		return false
	case g.value == "True":
		return f.IsTrue(g.condition)
	}
	return string(condition(f.Status, g.condition).Status) == g.value
}

func newWait(c *cli) *cobra.Command {
	var text string
	var pick selection
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait --for=condition=Ready|delete KIND/NAME... | KIND -l LABELS",
		Short: "Wait until sessions are ready, or gone",
		Example: `  coppice wait --for=condition=Ready session/build-1 --timeout=1m
  coppice wait sessions -l build=17
  coppice wait --for=delete session/build-1`,
		ValidArgsFunction: c.completeReferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := pick.parse(); err != nil {
				return err
			}
			g, err := parseGoal(text)
			if err != nil {
				return err
			}
			refs, err := c.named(args, pick)
			if pick.given() && g.gone {
				refs, _, err = c.picked(args, pick) // none is what is waited for
			}
			if err != nil {
				return err
			}
			if len(refs) == 0 && !pick.given() {
				return usagef("what is to be waited for? Name it as KIND/NAME, such as session/build-1")
			}
			for _, ref := range refs {
				if err := c.waitFor(cmd.Context(), ref, g, timeout, nil); err != nil {
					return err
				}
				fmt.Fprintf(c.out, "%s %s\n", ref, waited(g))
			}
			return nil
		},
	}
	pick.flag(cmd, "objects")
	c.quietFlag(cmd)
	cmd.Flags().StringVar(&text, "for", "condition=Ready", "condition=NAME[=VALUE] or delete")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for each; 0 is to look once")
	return cmd
}

func waited(g goal) string {
	if g.gone {
		return "is gone"
	}
	return "condition met"
}

// errTimeout is why a wait ends that has a time limit.
var errTimeout = errors.New("timed out")

// lookAgain is how often a wait looks without having been told of a change: an
// object that went before the watch began makes no change.
const lookAgain = time.Second

// waitFor waits until the object meets the goal. each, if there is one, is told
// every status meanwhile, nil for none; its error ends the wait.
func (c *cli) waitFor(ctx context.Context, ref reference, g goal, timeout time.Duration, each func(*status.File) error) error {
	if _, err := os.Stat(c.layout().Status()); err != nil && !g.gone {
		if _, running, _ := presence.Look(c.runDir); !running {
			return c.absent() // waiting does not help
		}
	}
	roam()
	changes, own, err := c.changes(ctx, ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	shown := c.waiting(ref)
	defer shown.clear()
	last, err := c.peek(ref)
	for {
		if err != nil || g.met(last) {
			return err
		}
		if each != nil {
			if err := each(last); err != nil {
				return err
			}
		}
		shown.show(last)
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errTimeout) {
				return &codeError{code: exitInterrupted} // whoever did it knows
			}
			return fmt.Errorf("%s is not %s after %s: %s", ref, g, timeout, c.standing(ref, last))
		case change, open := <-changes:
			if open && own {
				last = change.File
			} else {
				last, err = c.peek(ref)
			}
		case <-tick.C:
			last, err = c.peek(ref)
		}
	}
}

// watching is a watch of a kind, or of one object, which lasts as long as whoever began it.
type watching struct {
	of      reference // without a name it is the kind
	while   <-chan struct{}
	changes <-chan status.Change
}

// changes returns what tells of changes; own says that it is of that object alone, and
// tells of nothing that was before. Who waits for many, one after the other, is told by
// one watch: each begins with a look at the folder.
func (c *cli) changes(ctx context.Context, ref reference) (told <-chan status.Change, own bool, err error) {
	kind := reference{noun: ref.noun}
	switch w := c.watched; {
	case w.changes == nil || w.of.noun.kind != ref.noun.kind || w.while != ctx.Done() || w.of == ref:
		told, err = status.WatchOne(ctx, c.layout().Status(), ref.noun.kind, ref.name)
		kind, own = ref, true
	case w.of == kind:
		return w.changes, false, nil
	default:
		told, err = status.Watch(ctx, c.layout().Status(), ref.noun.kind)
	}
	if err == nil {
		c.watched = watching{kind, ctx.Done(), told}
	}
	return told, own, err
}

// peek reads the status of an object, nil if there is none.
func (c *cli) peek(ref reference) (*status.File, error) {
	file, err := status.Read(c.layout().Status(), ref.noun.kind, ref.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no status is an answer, not a mistake
	}
	return &file, err
}

// standing says how things are with an object.
func (c *cli) standing(ref reference, f *status.File) string {
	text := "there is no such " + ref.noun.singular + hint(nearest(ref.name, c.names(ref.noun)))
	if f != nil {
		text = why(f.Status)
		if f.Status.Step != nil {
			text = doing(*f.Status.Step) + " since " + f.Status.Step.Since.Format(time.TimeOnly) + "; " + text
		}
	}
	if gone := c.controllerGone(); gone != "" {
		text += "; " + gone
	}
	return text
}
