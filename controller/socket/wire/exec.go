package wire

// Upgrade is the protocol of a connection after an exec request.
const Upgrade = "coppice-exec"

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

// Size is a terminal's, in characters.
type Size struct {
	Rows    uint16 `json:"rows"`
	Columns uint16 `json:"columns"`
}

// Frame is what either side says after the upgrade; one field of it is set.
type Frame struct {
	// Files tells which standard files ride on the frame, by number, in order.
	Files []int `json:"files,omitempty"`
	// Signal is to be sent to the command.
	Signal *Signal `json:"signal,omitempty"`

	Started *Started `json:"started,omitempty"`
	Exited  *Exited  `json:"exited,omitempty"`
	Failed  *Failed  `json:"failed,omitempty"`
}

// Signal is sent to the command's process group.
type Signal struct {
	Number int `json:"number"`
}

// Started says that the command runs.
type Started struct {
	PID   int    `json:"pid"`
	Lease string `json:"lease"`
	// Note is something that the person at the terminal is to know, if any.
	Note string `json:"note,omitempty"`
	// Folder is where it runs.
	Folder string `json:"folder,omitempty"`
}

// Exited says how the command ended.
type Exited struct {
	Code int `json:"code"`
	// Signal is the number of the one that ended it, or 0.
	Signal int  `json:"signal,omitempty"`
	Core   bool `json:"core,omitempty"`
}

// Failed says why there was no command, or none that could be waited for.
type Failed struct {
	Error
	// NotFound and NotExecutable are the two failures that a shell gives a code
	// of its own: 127 and 126.
	NotFound      bool `json:"notFound,omitempty"`
	NotExecutable bool `json:"notExecutable,omitempty"`
	// Folder is the one that could not be changed to, if that is why.
	Folder string `json:"folder,omitempty"`
	// Cause is the system's own word for what went wrong, as "permission denied",
	// if it was the system that said so.
	Cause string `json:"cause,omitempty"`
}
