// Package drift tells whose mounts were changed, so that they are looked at.
//
// Where the kernel reports mounts that come and go in a namespace (fanotify with
// FAN_MARK_MNTNS, 6.14), it is asked to, for the host's namespace and each
// session's. Where it does not, the mount tables are polled, which wakes the
// poller when they change (proc_pid_mountinfo(5)).
//
// What is told is a hint to look, no more: it may come twice, or for what this
// program did itself, and it may be lost. The package changes no mount.
package drift
