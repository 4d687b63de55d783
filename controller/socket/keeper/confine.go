package keeper

import "coppice.dev/spec"

// Confine gives the command what its session was admitted with of namespaces and
// limits of its own. What bounds the session's processes together is set on the
// session's cgroup.
func (o *Order) Confine(c spec.Confinement) {
	o.Network, o.PID, o.IPC, o.NoNewPrivileges = c.Network, c.PID, c.IPC, c.NoNewPrivileges
	o.Resources = nil
	for name, r := range c.Rlimits {
		if o.Resources == nil {
			o.Resources = map[string]Resource{}
		}
		soft, hard := r.Values()
		o.Resources[name] = Resource{Soft: soft, Hard: hard}
	}
}
