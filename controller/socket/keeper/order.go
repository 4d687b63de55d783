package keeper

import (
	"time"

	"coppice.dev/controller/socket/wire/frame"
)

// Order is what a keeper is to run. It was decided on; nothing of it is checked
// again.
type Order struct {
	// Session and Lease name what the command is a part of.
	Session string `json:"session"`
	Lease   string `json:"lease"`
	// Args are the program and its arguments. A program without a slash is
	// looked up in the PATH of Env, inside. Login puts a dash before the first
	// argument that the program sees, as login(1) does.
	Args  []string `json:"args"`
	Login bool     `json:"login,omitempty"`
	// Shells are tried in order: the first that can be run inside is SHELL in the
	// environment, unless that names one, and if AsShell the last of Args.
	Shells  []string `json:"shells,omitempty"`
	AsShell bool     `json:"asShell,omitempty"`
	// Env is the whole environment, as NAME=value.
	Env []string `json:"env"`
	// UID, GID and Groups are who the command runs as.
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups,omitempty"`
	// Folders are tried in order as the working folder; "/" comes last unless
	// Strict, and then the first must be there.
	Folders []string `json:"folders,omitempty"`
	Strict  bool     `json:"strict,omitempty"`
	// Personality is an execution domain as in setarch(8); empty for none.
	Personality string `json:"personality,omitempty"`
	// NoNewPrivileges keeps setuid programs from gaining anything (prctl(2)).
	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
	// Network, IPC and PID give the command namespaces of its own.
	Network bool `json:"network,omitempty"`
	IPC     bool `json:"ipc,omitempty"`
	PID     bool `json:"pid,omitempty"`
	// Terminal, TTY and Size are the request's.
	Terminal bool        `json:"terminal,omitempty"`
	TTY      []int       `json:"tty,omitempty"`
	Size     *frame.Size `json:"size,omitempty"`
	// Resources are limits of the command's own, by their names in
	// limits.conf(5): nofile, core, cpu (see Resources). Those that are not named
	// are the host's.
	Resources map[string]Resource `json:"resources,omitempty"`
	// Group is the path of the lease's cgroup; empty if the machine has none. The
	// keeper removes it when the command has left nothing in it, and then Record,
	// the lease's file.
	Group  string `json:"group,omitempty"`
	Record string `json:"record,omitempty"`
	// Failure is the file in which the keeper notes that the command failed; empty
	// if nobody wants to know.
	Failure string `json:"failure,omitempty"`
	// Tasks are files of cgroups v1 that the command is put into by them.
	Tasks []string `json:"tasks,omitempty"`
	// Grace is the time between HUP and KILL when the client is gone.
	Grace time.Duration `json:"grace"`
}
