package spec

import (
	"cmp"
	"maps"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Isolation says what each command in a session has for itself. What is not set
// is shared: the network with the host, the rest with the host's processes too.
type Isolation struct {
	// Network gives it a network of its own, with a loopback interface only.
	Network *bool `json:"network,omitempty"`
	// PID gives it process numbers of its own, and a /proc that shows them; what
	// it has started ends with it.
	PID *bool `json:"pid,omitempty"`
	// IPC gives it System V IPC and POSIX message queues of its own.
	IPC *bool `json:"ipc,omitempty"`
	// NoNewPrivileges keeps setuid programs from gaining anything: no sudo.
	NoNewPrivileges *bool `json:"noNewPrivileges,omitempty"`
}

// Limits bound what a session may use: its processes together by its cgroup, and
// each process of a command by its resource limits.
type Limits struct {
	// Memory is the most memory; beyond it the kernel ends a process.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^\+?[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[mkMGTPE]|[eE]\+?[0-9]{1,2})?$`
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Ei')) <= 0",message="must be at least 1Mi; leave it out for no limit"
	Memory *resource.Quantity `json:"memory,omitempty"`
	// PIDs is the most processes and threads at a time.
	// +kubebuilder:validation:Minimum=1
	PIDs *int64 `json:"pids,omitempty"`
	// CPU is the most processor time, in processors: 1500m is one and a half.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^\+?[0-9]{1,18}(\.[0-9]{1,9})?([KMGTPE]i|[mkMGTPE]|[eE]\+?[0-9]{1,2})?$`
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('10m')) >= 0 && quantity(string(self)).compareTo(quantity('1M')) <= 0",message="must be at least 10m, a hundredth of a processor; leave it out for no limit"
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// Rlimits are limits of each process (getrlimit(2)), by their names in
	// limits.conf(5): nofile, nproc, core.
	// +kubebuilder:validation:XValidation:rule="self.all(name, name in ['as', 'core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack'])",message="names are those of limits.conf(5) that the kernel has"
	// +kubebuilder:validation:MaxProperties=16
	Rlimits map[string]Rlimit `json:"rlimits,omitempty"`
}

// Rlimit is a limit of a process, in bytes, seconds or as a count; -1 is none.
// +kubebuilder:validation:XValidation:rule="!has(self.hard) || self.hard == -1 || (has(self.soft) ? self.soft != -1 && self.soft <= self.hard : self.hard >= 0)",message="soft must not be more than hard"
type Rlimit struct {
	// Soft is the limit that holds; 0 if unset.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	Soft int64 `json:"soft"`
	// Hard is how far the process itself may raise it; as soft if unset.
	// +kubebuilder:validation:Minimum=-1
	Hard *int64 `json:"hard,omitempty"`
}

// Confinement is what isolation and limits come to for a session.
type Confinement struct {
	Network, PID, IPC, NoNewPrivileges bool
	// Memory is in bytes, CPU in thousandths of a processor; 0 is no limit.
	Memory, PIDs, MilliCPU int64
	Rlimits                map[string]Rlimit
}

// Confinement merges what the chroot and the session say, the session's first.
func (a Admitted) Confinement() Confinement {
	var c Confinement
	for _, i := range []*Isolation{a.Chroot.Isolation, a.Session.Isolation} {
		if i == nil {
			continue
		}
		c.Network, c.PID, c.IPC = or(i.Network, c.Network), or(i.PID, c.PID), or(i.IPC, c.IPC)
		c.NoNewPrivileges = or(i.NoNewPrivileges, c.NoNewPrivileges)
	}
	for _, l := range []*Limits{a.Chroot.Limits, a.Session.Limits} {
		if l == nil {
			continue
		}
		if l.Memory != nil {
			c.Memory = l.Memory.Value()
		}
		if l.CPU != nil {
			c.MilliCPU = l.CPU.MilliValue()
		}
		c.PIDs = or(l.PIDs, c.PIDs)
		if c.Rlimits == nil && len(l.Rlimits) > 0 {
			c.Rlimits = map[string]Rlimit{}
		}
		maps.Copy(c.Rlimits, l.Rlimits)
	}
	return c
}

func or[T any](set *T, otherwise T) T {
	if set != nil {
		return *set
	}
	return otherwise
}

// Values returns a limit as the kernel takes it, where the largest number is none.
func (r Rlimit) Values() (soft, hard uint64) {
	return kernelLimit(r.Soft), kernelLimit(*cmp.Or(r.Hard, &r.Soft))
}

func kernelLimit(n int64) uint64 {
	if n < 0 {
		return math.MaxUint64
	}
	return uint64(n)
}
