package status

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
)

// Suspended reports whether the object is left as it is, since somebody said so.
func (s Status) Suspended() bool { return meta.IsStatusConditionTrue(s.Conditions, ConditionSuspended) }

// Resume takes that back.
func Resume(s *Status) {
	s.Conditions = slices.Clone(s.Conditions) // whoever has the old ones keeps them
	meta.RemoveStatusCondition(&s.Conditions, ConditionSuspended)
	s.Phase = PhaseOf(s.Conditions)
}
