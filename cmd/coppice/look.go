package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/api/meta"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/status"
)

// notFoundError says that there is no status of an object.
type notFoundError struct {
	ref  reference
	near string
}

func (e *notFoundError) Error() string {
	return fmt.Sprintf("there is no %s %q%s", e.ref.noun.singular, e.ref.name, hint(e.near))
}

// one reads the status of an object.
func (c *cli) one(ref reference) (status.File, error) {
	file, err := status.Read(c.layout().Status(), ref.noun.kind, ref.name)
	if err == nil {
		return file, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return status.File{}, fmt.Errorf("read status of %s: %w", ref, err)
	}
	all, err := c.all(ref.noun)
	if err != nil {
		return status.File{}, err
	}
	return status.File{}, &notFoundError{ref, nearest(ref.name, namesOf(all))}
}

// all reads the statuses of a kind, in the order of their names. If there are
// none because there is no controller, that is the error.
func (c *cli) all(n noun) ([]status.File, error) {
	files, err := status.List(c.layout().Status(), n.kind)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read statuses of %s: %w", n.plural, err)
	}
	if len(files) == 0 {
		if _, err := os.Stat(c.layout().Status()); err != nil {
			return nil, c.absent()
		}
	}
	slices.SortFunc(files, func(a, b status.File) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	return files, nil
}

// absent explains why there is nothing to be read.
func (c *cli) absent() error {
	if _, running, err := presence.Look(c.runDir); err != nil {
		return fmt.Errorf("look for the controller: %w", err)
	} else if running {
		return fmt.Errorf("coppiced is just starting on %s; try again in a moment", c.runDir)
	}
	return fmt.Errorf("no controller works on %s; is coppiced running, and is --run-dir (or COPPICE_RUN_DIR) the same as its own?", c.runDir)
}

// controllerGone returns a remark for people if no controller is at work, so
// that what is said may be old; else nothing.
func (c *cli) controllerGone() string {
	if _, running, err := presence.Look(c.runDir); err == nil && !running {
		return fmt.Sprintf("coppiced is not running on %s: nothing will change until it is started", c.runDir)
	}
	return ""
}

// condition returns the condition of that type, or an unknown one.
func condition(s status.Status, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind, Status: metav1.ConditionUnknown}
}

// why says in one line why the object is not ready, or what is going on.
func why(s status.Status) string {
	ready := condition(s, status.ConditionReady)
	switch {
	case len(s.Problems) > 0:
		return s.Problems[0]
	case s.Suspended():
		return condition(s, status.ConditionSuspended).Message
	case ready.Status == metav1.ConditionTrue: // it can be used, so something else is wrong
		for _, kind := range []string{status.ConditionStalled, status.ConditionReconciling} {
			if c := condition(s, kind); c.Message != "" {
				return c.Message
			}
		}
		return ready.Message
	case ready.Message != "":
		return ready.Message
	case ready.Reason != "":
		return ready.Reason
	}
	return "its phase is " + string(s.Phase)
}
