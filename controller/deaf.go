package controller

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

// reasonPolling is the reason of a folder that is looked at from time to time,
// since nothing tells of changes in it.
const reasonPolling = "Polling"

// Deaf says why changes in the watched folders are found by looking alone, or by
// nil that they are told again. It does not block.
func (c *Controller) Deaf(why error) {
	text := ""
	if why != nil {
		text = why.Error()
	}
	c.mu.Lock()
	c.deaf = text
	folders := slices.Sorted(maps.Keys(c.set.Folders))
	c.mu.Unlock()
	for _, path := range folders {
		c.queue.add(key{classManifest, path})
	}
}

// trouble is what is wrong with something of the controller's own.
type trouble struct{ reason, message string }

// The reasons of trouble.
const (
	// ReasonTrash is that of trash which cannot be removed.
	ReasonTrash = "TrashStays"
	// ReasonSocket is that of a socket by which nobody can be let in.
	ReasonSocket = "NoSocket"
	// ReasonMetrics is that of a listener at which nobody can look at metrics.
	ReasonMetrics = "NoMetrics"
)

// Trouble says what is wrong with a file or folder of the controller's own, or by
// nil that nothing is. It is told where people look for folders with trouble. It
// does not block.
func (c *Controller) Trouble(path, reason string, why error) {
	c.mu.Lock()
	if why == nil {
		delete(c.troubles, path)
	} else {
		c.troubles[path] = trouble{reason, why.Error()}
	}
	c.mu.Unlock()
	c.queue.add(key{classManifest, path})
}

// ownTrouble returns what is wrong with something of the controller's own.
func (c *Controller) ownTrouble(path string) (trouble, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, is := c.troubles[path]
	return t, is
}

// polled returns why a folder is only looked at from time to time; "" if it is
// not, or is no folder.
func (c *Controller) polled(path string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, is := c.set.Folders[path]; !is {
		return ""
	}
	return c.deaf
}

// tellPolling tells of a folder in which changes are found late.
func (c *Controller) tellPolling(k key, why string) {
	report := c.reports.of(k)
	report.tell(func(f *status.File) {
		f.Status.Source, f.Status.Problems = &status.Source{Manifest: k.name}, nil
		status.Judge(&f.Status, f.Metadata.Generation, time.Now(), status.Verdict{
			Ready: metav1.ConditionTrue, Note: status.Note{Reason: reasonPolling, Message: "what is in it is known"},
			Work: status.WorkRetrying, WorkMessage: why,
		})
	})
}
