package spec

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The defaults that are no mere zero.
const (
	DefaultGracePeriod = 5 * time.Second
	DefaultHookTimeout = time.Minute
	// DefaultEnvironmentFilter matches the variables that change what programs
	// load or whom they trust, as schroot(1) has it.
	DefaultEnvironmentFilter = `^(BASH_ENV|CDPATH|ENV|HOSTALIASES|IFS|KRB5_CONFIG|KRBCONFDIR|KRBTKFILE|KRB_CONF|LD_.*|LOCALDOMAIN|NLSPATH|PATH_LOCALE|RES_OPTIONS|TERMINFO|TERMINFO_DIRS|TERMPATH)$`
)

// targets are where mounts go that do not say so.
var targets = map[MountType]string{
	MountProc:   "/proc",
	MountSysfs:  "/sys",
	MountDev:    "/dev",
	MountDevpts: "/dev/pts",
	MountShm:    "/dev/shm",
}

// Default fills in what an object leaves to its defaults. It may be applied to
// an object any number of times.
func Default(object Object) {
	switch o := object.(type) {
	case *Chroot:
		defaultChroot(&o.Spec)
	case *Profile:
		defaultProfile(&o.Spec)
	case *Session:
		defaultSession(&o.Spec)
	}
}

func defaultChroot(c *ChrootSpec) {
	if c.Union == nil {
		c.Union = new(Union)
	}
	if c.Union.Type == "" {
		c.Union.Type = UnionOverlay
		if c.Source.Plain != nil || c.Source.BtrfsSnapshot != nil || c.Source.LVMSnapshot != nil {
			c.Union.Type = UnionNone
		}
	}
	if c.Union.Type == UnionOverlay {
		if c.Union.Upper == nil {
			c.Union.Upper = new(Upper)
		}
		c.Union.Upper.Medium = cmp.Or(c.Union.Upper.Medium, MediumDisk)
	}
	if l := c.Source.LVMSnapshot; l != nil && l.FillThreshold == nil {
		l.FillThreshold = new(DefaultFillThreshold)
	}
	c.Source.Location = cmp.Or(c.Source.Location, "/")
	if c.Environment == nil {
		c.Environment = new(Environment)
	}
	c.Environment.Filter = cmp.Or(c.Environment.Filter, DefaultEnvironmentFilter)
}

func defaultProfile(p *ProfileSpec) {
	for i := range p.Mounts {
		m := &p.Mounts[i]
		m.Target = cmp.Or(m.Target, targets[m.Type])
		if m.Type == MountBind {
			m.Target = cmp.Or(m.Target, m.Source)
		}
	}
	for i := range p.Hooks {
		h := &p.Hooks[i]
		h.Phase = cmp.Or(h.Phase, HookSetup)
		h.Place = cmp.Or(h.Place, HookOnHost)
		if h.Timeout == nil {
			h.Timeout = &metav1.Duration{Duration: DefaultHookTimeout}
		}
	}
}

func defaultSession(s *SessionSpec) {
	if s.Chroot != nil {
		defaultChroot(s.Chroot)
	}
	if s.Profile != nil {
		defaultProfile(s.Profile)
	}
	s.Expose = cmp.Or(s.Expose, ExposeRoot)
	s.DeletionPolicy = cmp.Or(s.DeletionPolicy, DeletionTerminate)
	s.UpdateStrategy = cmp.Or(s.UpdateStrategy, UpdateOnDelete)
	s.DriftPolicy = cmp.Or(s.DriftPolicy, DriftRepair)
	if s.GracePeriod == nil {
		s.GracePeriod = &metav1.Duration{Duration: DefaultGracePeriod}
	}
}
