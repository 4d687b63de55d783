// Package wire is what the harness and the program in the guest say to each
// other: the job, a file on a disk, and messages, JSON values one after the other
// on a serial port.
package wire

import "time"

// Port is the name of the serial port that the messages go through.
const Port = "coppice"

// The serial numbers of the disks, by which the guest tells them apart.
const (
	DiskRoot    = "root"    // the read-only file system of Debian
	DiskJob     = "job"     // the job, read-only
	DiskScratch = "scratch" // ext4, made anew for each run, on /tmp
	DiskKept    = "kept"    // what the caller keeps; the guest does nothing with it by itself
	DiskSystem  = "system"  // ext4, a whole system, in the place of DiskRoot and DiskScratch
)

// SystemMark stands on the kernel's command line if the guest is to start the system
// on DiskSystem, whose init starts GuestProgram as a service.
const (
	SystemMark   = "coppice.system"
	GuestProgram = "/run/coppice-guest"
)

// JobFile is where the job is found on its disk, which is mounted at JobRoot.
const (
	JobRoot = "/job"
	JobFile = "job.json"
)

// Job is what a guest is to do between its start and its end.
type Job struct {
	Steps []Step `json:"steps"`
	// Parallel is how many steps run at the same time, at least 1.
	Parallel int `json:"parallel"`
	// End says how the guest ends: EndOff if empty.
	End string `json:"end,omitempty"`
}

// How a guest ends.
const (
	EndOff  = "off"  // file systems are synced, the machine is switched off
	EndStay = "stay" // it goes on until it is killed
)

// Step is one command.
type Step struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
	Dir  string   `json:"dir,omitempty"`
	// Env is added to the guest's own.
	Env []string `json:"env,omitempty"`
	// Timeout ends the step by SIGQUIT, so that a Go program says where it was,
	// and then by SIGKILL. Zero stands for none.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Message is what the guest says. One of the fields is set.
type Message struct {
	// Hello is said once: the guest's kernel and how long its start took.
	Hello *Hello `json:"hello,omitempty"`
	// Output is what a step wrote.
	Output *Output `json:"output,omitempty"`
	// Done is a step's end.
	Done *Done `json:"done,omitempty"`
	// Failed is why the guest could not do its work.
	Failed string `json:"failed,omitempty"`
	// End is the last message: all steps are done.
	End bool `json:"end,omitempty"`
}

// Hello is the first message.
type Hello struct {
	Kernel string        `json:"kernel"`
	Boot   time.Duration `json:"boot"`
}

// Output is a piece of what a step wrote to its standard output and error.
type Output struct {
	Step int    `json:"step"`
	Data []byte `json:"data"`
}

// Done is how a step ended.
type Done struct {
	Step int           `json:"step"`
	Code int           `json:"code"`
	Took time.Duration `json:"took"`
	// Why is set when the step has no exit code of its own: it could not be
	// started, took too long, or a signal ended it.
	Why string `json:"why,omitempty"`
}
