package status

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The types of event.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// mostEvents is how many events an object keeps.
const mostEvents = 20

// AddEvent returns the events with one more. What happened again right after
// itself is counted, and of too many the oldest are dropped. The slice given is
// left as it is.
func AddEvent(events []Event, now time.Time, kind, reason, message string) []Event {
	events = slices.Clone(events)
	if last := len(events) - 1; last >= 0 {
		e := &events[last]
		if e.Type == kind && e.Reason == reason && e.Message == message {
			e.Count = max(e.Count, 1) + 1
			e.Time = metav1.NewTime(now)
			return events
		}
	}
	events = append(events, Event{Time: metav1.NewTime(now), Type: kind, Reason: reason, Message: message, Count: 1})
	return events[max(0, len(events)-mostEvents):]
}
