package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"coppice.dev/reconcile/kernel/enter"
	"coppice.dev/reconcile/kernel/mounttable"
	"coppice.dev/status"
)

// world returns what is there below the prefix, as text: equal texts are equal
// worlds. What is drawn anew each time (numbers of namespaces and devices, UIDs,
// times) is replaced.
func (h *host) world() (string, error) {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	table, err := mounttable.Host()
	if err != nil {
		return "", err
	}
	for _, e := range slices.Backward(mounttable.Below(table, h.base)) {
		add("host: %s", mount(e))
	}
	pins, err := filepath.Glob(h.base + "/run/ns/*/*")
	if err != nil {
		return "", err
	}
	for _, pin := range pins {
		inside, err := h.inNamespace(pin)
		if err != nil {
			return "", err
		}
		for _, line := range inside {
			add("in %s: %s", pin, line)
		}
	}
	loops, err := exec.Command("losetup", "--all", "--noheadings", "--raw", "--output", "BACK-FILE,OFFSET,RO,AUTOCLEAR").Output()
	if err != nil {
		return "", fmt.Errorf("list loop devices: %w", err)
	}
	for line := range strings.Lines(string(loops)) {
		if strings.Contains(line, h.base) {
			add("loop: %s", strings.TrimSpace(line))
		}
	}
	if h.kind.mapped {
		volumes, err := exec.Command("lvs", "--noheadings", "--separator", " ", "--options", "lv_name,origin,lv_active,lv_permissions,lv_tags", h.group()).Output()
		if err != nil {
			return "", fmt.Errorf("list logical volumes: %w", err)
		}
		for line := range strings.Lines(string(volumes)) {
			add("volume: %s", strings.TrimSpace(line))
		}
	}
	if h.kind.counts {
		limits, err := limits(h.base + "/state")
		if err != nil {
			return "", err
		}
		for _, limit := range limits {
			add("limit: %s", limit)
		}
	}
	for _, group := range h.groups() {
		add("cgroup: %s", group)
	}
	for _, folder := range []string{"state", "run", "pool", "root"} {
		if err := h.tree(folder, add); err != nil {
			return "", err
		}
	}
	touched, err := filepath.Glob(h.base + "/*ed*")
	if err != nil {
		return "", err
	}
	for _, path := range touched {
		add("made by a hook: %s", path)
	}
	if err := h.statuses(add); err != nil {
		return "", err
	}
	lines = strings.Split(h.plain(strings.Join(lines, "\n")), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// mount says what is mounted where, without what is drawn anew each time.
func mount(e *mounttable.Entry) string {
	return fmt.Sprintf("%s on %s type %s (%s; %s) root %s", e.Source, e.Mountpoint, e.FSType, e.Options, e.VFSOptions, e.Root)
}

// inNamespace lists the mounts of a session's namespace, and files in it that
// may lie on none of the host's file systems.
func (h *host) inNamespace(pin string) ([]string, error) {
	namespace, err := os.Open(pin)
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	var lines []string
	err = enter.Do(namespace, func(t enter.Thread) error {
		table, err := mounttable.Inside(t)
		if err != nil {
			return err
		}
		for _, e := range table {
			lines = append(lines, mount(e))
		}
		for _, name := range []string{"/etc/motd", "/etc/kept", "/etc/hosts", "/etc/group"} {
			if text, err := os.ReadFile(name); err == nil {
				lines = append(lines, fmt.Sprintf("%s holds %x", name, sha256.Sum256(text)))
			}
		}
		return nil
	})
	if err != nil && strings.Contains(err.Error(), "invalid argument") {
		return []string{"is no namespace"}, nil
	}
	return lines, err
}

// tree lists a folder without what is mounted in it.
func (h *host) tree(folder string, add func(string, ...any)) error {
	root := filepath.Join(h.base, folder)
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(path, h.base+"/run/ns/"), strings.HasPrefix(path, h.base+"/run/status/"), path == h.base+"/run/coppiced.json", path == h.base+"/run/coppiced.sock":
			return nil // their names and contents are looked at elsewhere
		case folder == "run" && (filepath.Base(path) == "root" || filepath.Dir(path) == h.base+"/run/bases" || e.IsDir() && (filepath.Dir(path) == h.base+"/run/disks" || filepath.Dir(path) == h.base+"/run/stores")):
			add("folder: %s", path)
			return fs.SkipDir // a view, or a base, or a disk, or a store
		case e.IsDir() && filepath.Base(filepath.Dir(path)) == "work":
			return fs.SkipDir // the kernel's
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		text := ""
		switch {
		case e.Type() == fs.ModeSymlink:
			if text, err = os.Readlink(path); err != nil {
				return err
			}
		case e.Type().IsRegular() && strings.HasPrefix(path, h.base+"/state/") && filepath.Ext(path) != ".img":
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(content)
			if len(content) > 0 && content[0] != '{' {
				text = fmt.Sprintf("%x", sha256.Sum256([]byte(h.plain(text))))
			}
		case e.Type().IsRegular():
			text = strconv.FormatInt(info.Size(), 10)
		}
		add("file: %s %s %s", path, info.Mode(), text)
		return nil
	})
}

// statuses lists what the status files say, as far as it does not depend on
// when.
func (h *host) statuses(add func(string, ...any)) error {
	dir := h.base + "/run/status"
	kinds, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list kinds of statuses: %w", err)
	}
	for _, kind := range kinds {
		// Whoever reads statuses is not shown a temporary file, so files are counted too.
		files, err := os.ReadDir(filepath.Join(dir, kind.Name()))
		if err != nil {
			return fmt.Errorf("list statuses: %w", err)
		}
		if len(files) > 0 {
			add("status: %d files of kind %s", len(files), kind.Name())
		}
		all, err := status.List(dir, kind.Name())
		if err != nil {
			return err
		}
		for _, f := range all {
			tell(kind.Name()+" "+f.Metadata.Name, f.Status, add)
		}
	}
	return nil
}

func tell(who string, s status.Status, add func(string, ...any)) {
	add("status: %s is %s %s %s", who, s.Phase, s.Root, s.Namespace)
	for _, c := range s.Conditions {
		add("status: %s: %s is %s: %s", who, c.Type, c.Status, c.Reason)
	}
	for _, o := range s.Objects {
		add("status: %s has %s %s %s %s %s", who, o.Owner, o.Address, o.Kind, o.Name, o.Problem)
	}
}

// sessions leaves out of a world what a daemon keeps for itself as long as it
// runs: the folder of the pins, and the cgroup above all of its sessions.
func sessions(world string) string {
	lines := strings.Split(world, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "cgroup: ") && strings.HasSuffix(line, "/coppice-ID") || strings.Contains(line, " on $/run/ns type ")
	}), "\n")
}

// drawn are the things that differ from run to run.
var drawn = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`/dev/loop[0-9]+`), "/dev/loopN"},
	{regexp.MustCompile(`([./][0-9a-f]{12}\.[0-9a-f]{12}\.)[0-9a-f]{12}\b`), "${1}INSTANCE"},
	{regexp.MustCompile(`(\bview\.[0-9a-f]{12}\.[0-9a-f]{12}\.)[0-9a-f]+`), "${1}INSTANCE"},
	{regexp.MustCompile(`"instance":"[^"]*"`), `"instance":"I"`},
	{regexp.MustCompile(`"uid":"[^"]*"`), `"uid":"U"`},
	{regexp.MustCompile(`"admitted":"[^"]*"`), `"admitted":"T"`},
	// Since Linux 6.6 an overlay says this only as long as its upper is new.
	{regexp.MustCompile(`,uuid=on\b`), ""},
	{regexp.MustCompile(`(/run/disks/note\.\S+ \S+ \S+) [0-9]+`), "${1} MOUNT"},
	{regexp.MustCompile(`subvolid=[0-9]+`), "subvolid=N"},
	{regexp.MustCompile(`thread-self/fd/[0-9]+`), "thread-self/fd/N"},
	{regexp.MustCompile(`mnt:\[[0-9]+\]`), "mnt:[N]"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
}

// shifted are the things that differ from run to run where prints do.
var shifted = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9a-f]{12}\.[0-9a-f]{12}\b`), "PRINT"},
	{regexp.MustCompile(`\b(bases?[/.])[0-9a-f]{12}\b`), "${1}KEY"},
	{regexp.MustCompile(`"mtime":[0-9]+`), `"mtime":T`},
	{regexp.MustCompile(`"inode":[1-9][0-9]*`), `"inode":I`},
}

// plain replaces what is drawn anew each time.
func (h *host) plain(text string) string {
	if id, err := os.ReadFile(h.base + "/state/id"); err == nil && len(id) > 1 {
		text = strings.ReplaceAll(text, strings.TrimSpace(string(id)), "ID")
	}
	for _, d := range drawn {
		text = d.what.ReplaceAllString(text, d.with)
	}
	if h.kind.shifting {
		for _, d := range shifted {
			text = d.what.ReplaceAllString(text, d.with)
		}
	}
	return strings.NewReplacer(h.base, "$", h.group(), "@").Replace(text)
}

// difference names the lines that one of two worlds has more often.
func difference(want, got string) string {
	count := map[string]int{}
	for line := range strings.SplitSeq(want, "\n") {
		count[line]++
	}
	for line := range strings.SplitSeq(got, "\n") {
		count[line]--
	}
	var lines []string
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n > 0:
			lines = append(lines, "  missing: "+line)
		case n < 0:
			lines = append(lines, "  too much: "+line)
		}
	}
	return strings.Join(lines, "\n")
}
