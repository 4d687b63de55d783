package spec

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// noChroot is said of a session that is grown from nothing.
const noChroot = "name a Chroot, or write one under chroot"

// plainHint goes with whatever a plain chroot does not take.
const plainHint = "a plain chroot is used as it is; use source directory for mounts, files and hooks"

func validateSession(at *field.Path, s SessionSpec) field.ErrorList {
	var errs field.ErrorList
	switch {
	case s.ChrootRef == nil && s.Chroot == nil:
		errs = append(errs, field.Required(at.Child("chrootRef"), noChroot))
	case s.ChrootRef != nil && s.Chroot != nil:
		errs = append(errs, field.Forbidden(at.Child("chroot"), "chrootRef names a chroot already; keep one of them"))
	case s.ChrootRef != nil:
		errs = append(errs, validateReferenceTo(at.Child("chrootRef"), s.ChrootRef, validateAlias)...)
	default:
		errs = append(errs, validateChroot(at.Child("chroot"), *s.Chroot)...)
		if len(s.Chroot.Aliases) > 0 {
			errs = append(errs, field.Forbidden(at.Child("chroot", "aliases"), "a session's own chroot has no other names"))
		}
	}
	errs = append(errs, validateReference(at.Child("profileRef"), s.ProfileRef)...)
	if s.Profile != nil {
		errs = append(errs, validateProfile(at.Child("profile"), *s.Profile)...)
	}
	if s.Chroot != nil && s.Chroot.Source.Plain != nil {
		if s.ProfileRef != nil {
			errs = append(errs, field.Forbidden(at.Child("profileRef"), plainHint))
		}
		if s.Profile != nil {
			errs = append(errs, field.Forbidden(at.Child("profile"), plainHint))
		}
	}
	switch {
	case s.Save < 0:
		errs = append(errs, field.Invalid(at.Child("save"), s.Save, "must be 0 or more"))
	case s.Save > 0 && !s.OpenSource:
		errs = append(errs, field.Forbidden(at.Child("save"), "only what was written into a source is saved; set openSource: true"))
	}
	if s.OpenSource && s.Chroot != nil {
		if why := CannotOpen(*s.Chroot); why != "" {
			errs = append(errs, field.Forbidden(at.Child("openSource"), why))
		}
		if option := layered(s.Chroot.Union); option != "" {
			errs = append(errs, field.Forbidden(at.Child("chroot", "union", option), "openSource writes to the source itself, without a union; take one of the two out"))
		}
	}
	for _, limit := range []struct {
		name string
		time *metav1.Duration
	}{{"ttl", s.TTL}, {"idleTimeout", s.IdleTimeout}} {
		if limit.time != nil && limit.time.Duration <= 0 {
			errs = append(errs, field.Invalid(at.Child(limit.name), limit.time.Duration, "must be longer than nothing; leave it out for ever"))
		}
	}
	if s.GracePeriod != nil && s.GracePeriod.Duration < 0 {
		errs = append(errs, field.Invalid(at.Child("gracePeriod"), s.GracePeriod.Duration, "must not be negative"))
	}
	errs = append(errs, oneOf(at.Child("expose"), s.Expose, ExposeRoot, ExposeTree, ExposeNone)...)
	errs = append(errs, oneOf(at.Child("deletionPolicy"), s.DeletionPolicy, DeletionTerminate, DeletionWait)...)
	errs = append(errs, oneOf(at.Child("updateStrategy"), s.UpdateStrategy, UpdateOnDelete, UpdateRecreate)...)
	errs = append(errs, oneOf(at.Child("driftPolicy"), s.DriftPolicy, DriftRepair, DriftReport)...)
	if s.User != "" {
		errs = append(errs, validatePerson(at.Child("user"), s.User)...)
	}
	errs = append(errs, validateVariables(at.Child("hookEnvironment"), s.HookEnvironment)...)
	if len(s.HookEnvironment) > 0 && s.Chroot != nil && s.Chroot.Source.Plain != nil {
		errs = append(errs, field.Forbidden(at.Child("hookEnvironment"), plainHint))
	}
	errs = append(errs, validateLimits(at.Child("limits"), s.Limits)...)
	return append(errs, validateEnvironment(at.Child("environment"), s.Environment)...)
}
