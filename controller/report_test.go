package controller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

// TestAdvance tells how far a step has come, again and again: the file is written seldom.
func TestAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writer, err := status.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		log := logr.Discard()
		r := newReports(writer, &log).of(sessionKey("s"))
		r.advance(1, 10) // nothing is being done
		r.begin("Create", "2-layer/tree")
		r.tell(func(f *status.File) {
			f.Status.Step = &status.Step{Operation: "Create", Address: "2-layer/tree", Since: metav1.Now()}
		})
		for _, row := range []struct {
			after time.Duration
			done  int64 // 0 tells nothing
			want  int64
		}{
			{500 * time.Millisecond, 1, 0}, // it may be over in a moment
			{600 * time.Millisecond, 2, 2},
			{100 * time.Millisecond, 3, 2},
			{100 * time.Millisecond, 4, 2},
			{time.Second, 0, 4},
			{time.Second, 10, 10},
		} {
			time.Sleep(row.after)
			if row.done > 0 {
				r.advance(row.done, 10)
			}
			synctest.Wait()
			f, err := status.Read(dir, "Session", "s")
			if err != nil || f.Status.Step == nil || f.Status.Step.Done != row.want {
				t.Errorf("after %s, and %d were done: %+v, %v; want %d", row.after, row.done, f.Status.Step, err, row.want)
			}
		}
		r.end()
	})
}
