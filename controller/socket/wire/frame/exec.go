package frame

// Where and how a command is asked for.
const (
	// Version is the first part of every path.
	Version = "/v1alpha1"
	// SocketName is the socket's file below the run-time folder.
	SocketName = "coppiced.sock"
	// Upgrade is the protocol of a connection after an exec request.
	Upgrade = "coppice-exec"
	// MaxBody is the most bytes that a request's body may have. An exec request
	// holds a command line and an environment, of which Linux allows 2 MiB and more
	// (execve(2)); nobody's are that long.
	MaxBody = 1 << 20
)

// Exec asks for a command to be run inside a session.
type Exec struct {
	// Args are the command and its arguments; none for a login shell.
	Args []string `json:"args,omitempty"`
	// Env is the caller's environment, as NAME=value; it is used only as far as
	// Preserve and the chroot's filter allow. TERM is always taken from it.
	Env []string `json:"env,omitempty"`
	// Preserve keeps the caller's environment but for what the chroot filters.
	Preserve bool `json:"preserve,omitempty"`
	// User is who the command is to run as; empty for the session's user, or the
	// caller.
	User string `json:"user,omitempty"`
	// Folder is where to run it; it must be there. If it is empty, Here is tried,
	// then the user's home (if Preserve, first that of Env), then "/".
	Folder string `json:"folder,omitempty"`
	Here   string `json:"here,omitempty"`
	// Network gives the command a network of its own, which leads nowhere.
	Network bool `json:"network,omitempty"`
	// Shell is used for a login shell instead of the user's.
	Shell string `json:"shell,omitempty"`
	// Terminal asks for a terminal of the session's own, for the standard files
	// that TTY names (0, 1, 2).
	Terminal bool  `json:"terminal,omitempty"`
	TTY      []int `json:"tty,omitempty"`
	// Size is the terminal's.
	Size *Size `json:"size,omitempty"`
	// Name is what the command is called among those inside; the first argument
	// if empty.
	Name string `json:"name,omitempty"`
}
