package spec

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// rlimits are the limits of limits.conf(5) that the kernel has.
var rlimits = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
	"rttime", "sigpending", "stack",
}

const (
	leastMemory   = 1 << 20
	mostCPU       = 1_000_000
	leastMilliCPU = 10 // the kernel gives no less than a millisecond at a time
)

func validateLimits(at *field.Path, l *Limits) field.ErrorList {
	if l == nil {
		return nil
	}
	var errs field.ErrorList
	if l.Memory != nil {
		errs = append(errs, validateSize(at.Child("memory"), *l.Memory, leastMemory, "must be at least 1Mi; leave it out for no limit")...)
	}
	if l.PIDs != nil && *l.PIDs < 1 {
		errs = append(errs, field.Invalid(at.Child("pids"), *l.PIDs, "must be at least 1; leave it out for no limit"))
	}
	if l.CPU != nil && l.CPU.CmpInt64(mostCPU) > 0 {
		errs = append(errs, field.Invalid(at.Child("cpu"), l.CPU.String(), "is more than a million processors; leave it out for no limit"))
	} else if l.CPU != nil && l.CPU.MilliValue() < leastMilliCPU {
		errs = append(errs, field.Invalid(at.Child("cpu"), l.CPU.String(), "must be at least 10m, a hundredth of a processor; leave it out for no limit"))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Rlimits)) {
		r, where := l.Rlimits[name], at.Child("rlimits").Key(name)
		if !slices.Contains(rlimits, name) {
			errs = append(errs, oneOf(where, name, rlimits...)...)
			continue
		}
		if r.Soft < -1 {
			errs = append(errs, field.Invalid(where.Child("soft"), r.Soft, "must be a number, or -1 for no limit"))
		}
		if r.Hard != nil && *r.Hard < -1 {
			errs = append(errs, field.Invalid(where.Child("hard"), *r.Hard, "must be a number, or -1 for no limit"))
		}
		if soft, hard := r.Values(); soft > hard {
			errs = append(errs, field.Invalid(where.Child("soft"), r.Soft, "must not be more than hard"))
		}
	}
	return errs
}
