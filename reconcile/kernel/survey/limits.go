package survey

import (
	"fmt"
	"strconv"
	"strings"
)

// What a session takes of the host's own table of mounts at the most: its pin, and
// what the host sees of it.
const mountsOfASession = 2

// Below these, a limit is worth a note.
const (
	fewSessions  = 1000
	fewInstances = 64
	fewWatches   = 8192
)

func (m Machine) limits() []Finding {
	return []Finding{
		m.mounts(),
		m.least("inotify instances", "/proc/sys/fs/inotify/max_user_instances", fewInstances, "fs.inotify.max_user_instances"),
		m.least("inotify watches", "/proc/sys/fs/inotify/max_user_watches", fewWatches, "fs.inotify.max_user_watches"),
	}
}

// mounts says for how many more sessions there is room in the host's table.
func (m Machine) mounts() Finding {
	f := Finding{Area: areaLimits, What: "mounts", Level: Good}
	most, err := strconv.Atoi(m.text("/proc/sys/fs/mount-max"))
	if err != nil {
		f.Found = "not known"
		return f
	}
	used := strings.Count(m.text("/proc/self/mountinfo"), "\n") + 1
	room := max(0, most-used) / mountsOfASession
	f.Found = fmt.Sprintf("%d of %d: room for about %d sessions", used, most, room)
	if room < fewSessions {
		return f.but(Worth, fmt.Sprintf("raise it: sysctl fs.mount-max=%d", used+10*fewSessions*mountsOfASession))
	}
	return f
}

func (m Machine) least(what, path string, least int, setting string) Finding {
	f := Finding{Area: areaLimits, What: what, Level: Good}
	limit, err := strconv.Atoi(m.text(path))
	if err != nil {
		f.Found = "not known"
		return f
	}
	if f.Found = strconv.Itoa(limit); limit < least {
		return f.but(Worth, fmt.Sprintf("changes in watched folders may be found late; raise it: sysctl %s=%d", setting, least))
	}
	return f
}
