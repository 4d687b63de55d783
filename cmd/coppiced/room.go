package main

import (
	"coppice.dev/controller/budget"
	"coppice.dev/reconcile/kernel"
	"coppice.dev/reconcile/layout"
)

// counts adds up what the host has that sessions take. What could not be found out is
// less than nothing, and keeps nobody from beginning.
func counts(k *kernel.Kernel) budget.Host {
	seen, _ := k.Budget() // the metrics tell what failed
	return budget.Host{Loops: seen.Loops, Mounts: seen.Mounts, MostMounts: seen.MostMounts}
}

// disks looks at the disks that sessions take of. One that does not answer keeps nobody
// from beginning.
func disks(k *kernel.Kernel, l layout.Layout) (list []budget.Disk) {
	seen, _ := k.Disks()
	add := func(name, path string, d kernel.Disk) {
		list = append(list, budget.Disk{Name: name, Path: path, Size: d.Size, Free: d.Available, Files: d.Files, FreeFiles: d.FreeFiles})
	}
	state, there := seen["state"]
	if there {
		add("the state folder", l.State, state)
	}
	// What lies there takes next to nothing, but memory is what others need as well.
	if run, there := seen["run"]; there && run.Memory && run != state {
		add("the run-time folder", l.Run, run)
	}
	return list
}
