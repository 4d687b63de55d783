package metrics

import (
	"sync"
	"time"
)

// Host is what the host has, in numbers; less than nothing is not known.
type Host struct {
	// Disks are the file systems of the state folder ("state") and of the run-time
	// folder ("run").
	Disks map[string]Disk
	// Mounts is how many mounts the host's own namespace has.
	Mounts, MostMounts, MostNamespaces int
	// Loops is how many loop devices are bound. The kernel makes more when asked for: its
	// setting max_loop is how many there are at first.
	Loops int
	// Trash is how many trees wait to be removed.
	Trash int
	// Thick and Thin count logical volumes that are snapshots of ours, Unwell those that
	// are broken, and Fullest is how full the fullest thick one is. VolumesLooked is when
	// that was found out; zero if there never was one.
	Thick, Thin, Unwell int
	Fullest             float64
	VolumesLooked       time.Time
	// Pools are the thin pools, by "group/name": how full data and metadata are.
	Pools map[string][2]float64
	// Uppers is what sessions hold on disk by themselves; its time is zero if that was
	// never measured.
	Uppers Uppers
	// Polling is set while mounts are looked at from time to time, since the kernel has
	// no events of them, and Deaf tells of each thing that is listened to whether nothing
	// is heard of it.
	Polling bool
	Deaf    map[string]bool
	// Resync is how often all is looked at.
	Resync time.Duration
	// Ready is what /readyz says.
	Ready bool
}

// Disk is a file system, in bytes and inodes.
type Disk struct{ Size, Free, Available, Files, FreeFiles int64 }

// Uppers is what sessions hold on disk by themselves, when that was last measured.
type Uppers struct {
	At           time.Time
	Sessions     int
	All, Largest int64
}

var hostLooked = Definition{"coppice_host_looked", Gauge, "Whether the host answered in time for this scrape; if not, what is known of it is left out.", nil}

// ofHost is what is known of the host.
var ofHost = []entry[Host]{
	{Definition{"coppice_disk_size_bytes", Gauge, "Size of the file system of the folder of state, and of the run-time folder.", []string{"folder"}},
		ofDisks(func(d Disk) int64 { return d.Size })},
	{Definition{"coppice_disk_free_bytes", Gauge, "What is free on it, what is reserved for root included.", []string{"folder"}},
		ofDisks(func(d Disk) int64 { return d.Free })},
	{Definition{"coppice_disk_available_bytes", Gauge, "What is free on it for those who are not root.", []string{"folder"}},
		ofDisks(func(d Disk) int64 { return d.Available })},
	{Definition{"coppice_disk_inodes", Gauge, "Inodes of the file system of the folder; 0 if it has no fixed number.", []string{"folder"}},
		ofDisks(func(d Disk) int64 { return d.Files })},
	{Definition{"coppice_disk_inodes_free", Gauge, "Inodes that are free on it.", []string{"folder"}},
		ofDisks(func(d Disk) int64 { return d.FreeFiles })},
	{Definition{"coppice_uppers_bytes", Gauge, "What sessions hold on disk by themselves, when it was last measured (--measure-uppers).", nil},
		ofUppers(func(u Uppers) float64 { return float64(u.All) })},
	{Definition{"coppice_uppers_largest_bytes", Gauge, "What the session holds that holds most.", nil},
		ofUppers(func(u Uppers) float64 { return float64(u.Largest) })},
	{Definition{"coppice_uppers_measured", Gauge, "Sessions that held anything then.", nil},
		ofUppers(func(u Uppers) float64 { return float64(u.Sessions) })},
	{Definition{"coppice_uppers_timestamp_seconds", Gauge, "When that was measured.", nil},
		ofUppers(func(u Uppers) float64 { return stamp(u.At) })},
	{Definition{"coppice_host_mounts", Gauge, "Mounts in the host's own mount namespace, whosoever they are.", nil},
		func(h Host, s set) { found(h.Mounts, s) }},
	{Definition{"coppice_host_mounts_limit", Gauge, "How many mounts a namespace may have (sysctl fs.mount-max).", nil},
		func(h Host, s set) { found(h.MostMounts, s) }},
	{Definition{"coppice_host_mount_namespaces_limit", Gauge, "How many mount namespaces root may have (sysctl user.max_mnt_namespaces); a session is one.", nil},
		func(h Host, s set) { found(h.MostNamespaces, s) }},
	{Definition{"coppice_host_loop_devices", Gauge, "Loop devices that are bound to something, whosoever they are. The kernel makes more when they are asked for.", nil},
		func(h Host, s set) { found(h.Loops, s) }},
	{Definition{"coppice_trash_trees", Gauge, "Trees that wait to be removed from the disk.", nil},
		func(h Host, s set) { found(h.Trash, s) }},
	{Definition{"coppice_lvm_snapshots", Gauge, "Logical volumes that are sessions' snapshots, by type.", []string{"type"}},
		func(h Host, s set) { s(float64(h.Thick), "thick"); s(float64(h.Thin), "thin") }},
	{Definition{"coppice_lvm_snapshots_unwell", Gauge, "Those of them that are invalid, or lack a disk, or lie in a pool that does or has no room left.", nil},
		func(h Host, s set) { s(float64(h.Unwell)) }},
	{Definition{"coppice_lvm_snapshot_fullest_ratio", Gauge, "How full the fullest thick snapshot is, from 0 to 1.", nil},
		func(h Host, s set) { s(h.Fullest) }},
	{Definition{"coppice_lvm_timestamp_seconds", Gauge, "When logical volumes were last looked at; 0 if no session ever had one.", nil},
		func(h Host, s set) { s(stamp(h.VolumesLooked)) }},
	{Definition{"coppice_thin_pool_used_ratio", Gauge, "How full thin pools are in which sessions' snapshots lie, from 0 to 1.", []string{"pool", "part"}},
		func(h Host, s set) {
			for pool, used := range h.Pools {
				s(used[0], pool, "data")
				s(used[1], pool, "metadata")
			}
		}},
	{Definition{"coppice_watch_deaf", Gauge, "Whether changes of a sort are not told and found by looking from time to time.", []string{"watch"}},
		func(h Host, s set) {
			for watch, deaf := range h.Deaf {
				s(truth(deaf), watch)
			}
		}},
	{Definition{"coppice_watch_polling", Gauge, "Whether mount tables are polled, since the kernel has no events of mounts.", nil},
		func(h Host, s set) { s(truth(h.Polling)) }},
	{Definition{"coppice_resync_interval_seconds", Gauge, "How often everything is looked at without a cause (--resync).", nil},
		func(h Host, s set) { s(h.Resync.Seconds()) }},
	{Definition{"coppice_ready", Gauge, "Whether /readyz says yes: all there was has been looked at, and all folders of manifests can be read.", nil},
		func(h Host, s set) { s(truth(h.Ready)) }},
}

func ofDisks(figure func(Disk) int64) func(Host, set) {
	return func(h Host, s set) {
		for folder, disk := range h.Disks {
			s(float64(figure(disk)), folder)
		}
	}
}

// ofUppers is left out until it was measured once.
func ofUppers(figure func(Uppers) float64) func(Host, set) {
	return func(h Host, s set) {
		if !h.Uppers.At.IsZero() {
			s(figure(h.Uppers))
		}
	}
}

func found(n int, s set) {
	if n >= 0 {
		s(float64(n))
	}
}

// patience is how long the host may take to answer.
const patience = 3 * time.Second

// asker asks the host, once at a time: a disk may not answer, and whoever asks goes
// on without then.
type asker struct {
	look func() Host
	// patience is how long it is waited for an answer.
	patience time.Duration

	mu sync.Mutex
	// under is the look under way; nil if there is none.
	under chan struct{}
	last  Host
}

// ask returns how the host is; false if it does not answer.
func (a *asker) ask() (Host, bool) {
	a.mu.Lock()
	under := a.under
	if under == nil {
		under = make(chan struct{})
		a.under = under
		go func() {
			h := a.look()
			a.mu.Lock()
			defer a.mu.Unlock()
			a.last, a.under = h, nil
			close(under)
		}()
	}
	a.mu.Unlock()
	select {
	case <-under:
	case <-time.After(a.patience):
		return Host{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last, true
}
