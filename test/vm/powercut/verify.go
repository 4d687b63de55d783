package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"coppice.dev/status"
)

// record is what load said before.
type record struct {
	// wanted are the sessions whose manifests are on the disk for sure, with the
	// numbers of the data in them.
	wanted map[string][]int
	// open are those for which the power went before it was known.
	open map[string]bool
	// seen counts the sessions of each kind, data is the largest number.
	seen map[string]int
	data int
}

func remember(path string) (record, error) {
	r := record{wanted: map[string][]int{}, open: map[string]bool{}, seen: map[string]int{}}
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		name := words[1]
		switch words[0] {
		case "try":
			r.open[name] = true
			kind, number, _ := strings.Cut(name, "-")
			n, err := strconv.Atoi(number)
			if err != nil {
				return r, fmt.Errorf("read what was said: %q", line)
			}
			r.seen[kind] = max(r.seen[kind], n)
		case "want":
			r.wanted[name] = nil
			delete(r.open, name)
		case "data":
			n, err := strconv.Atoi(words[2])
			if err != nil {
				return r, fmt.Errorf("read what was said: %q", line)
			}
			r.wanted[name], r.data = append(r.wanted[name], n), max(r.data, n)
		case "drop":
			delete(r.wanted, name)
			r.open[name] = true
		case "dropped":
			delete(r.open, name)
		}
	}
	// The manifests tell about those that were left open.
	for name := range r.open {
		if _, err := os.Stat(kept + "/m/" + name + ".yaml"); err == nil {
			r.wanted[name] = nil
		}
	}
	return r, nil
}

// sessions are a kind's, the oldest first.
func (r record) sessions(kind string) []string {
	var names []string
	for n := range r.seen[kind] {
		name := kind + "-" + strconv.Itoa(n+1)
		if _, is := r.wanted[name]; is {
			names = append(names, name)
		}
	}
	return names
}

func (r record) last(kind string) int { return r.seen[kind] }

// verify compares what is there after a start with what was said.
func (h host) verify(told string) error {
	r, err := remember(told)
	if err != nil {
		return err
	}
	if err := h.sweep(); err != nil {
		return err
	}
	var wrong []error
	pieces := 0
	for _, k := range kinds {
		for _, name := range r.sessions(k.name) {
			s, err := status.Read(runFolder+"/status", "Session", name)
			if err != nil || s.Status.Phase != status.Ready {
				wrong = append(wrong, fmt.Errorf("%s is %q, want Ready: %w", name, s.Status.Phase, err))
				continue
			}
			if k.forgets {
				continue
			}
			for _, n := range r.wanted[name] {
				path := fmt.Sprintf("%s/sessions/%s/root/data.%d", runFolder, name, n)
				if text, err := os.ReadFile(path); err != nil || string(text) != strconv.Itoa(n)+"\n" {
					wrong = append(wrong, fmt.Errorf("%s: data that was synced is %q, want %d: %w", name, text, n, err))
				}
				pieces++
			}
		}
	}
	wrong = append(wrong, h.strays(r)...)
	fmt.Printf("# %d sessions are back, with %d pieces of data\n", len(r.wanted), pieces)
	return errors.Join(wrong...)
}

// strays finds what nobody wants.
func (h host) strays(r record) []error {
	var wrong []error
	names, err := below(kept + "/state/sessions")
	if err != nil {
		return []error{err}
	}
	for _, name := range names {
		if _, is := r.wanted[name]; !is {
			wrong = append(wrong, fmt.Errorf("left: the folder of %s", name))
		}
	}
	for _, folder := range []string{"state/trash", "pool/.coppice-snapshots"} {
		found, err := below(filepath.Join(kept, folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			wrong = append(wrong, err)
		}
		most := 0
		if strings.HasPrefix(folder, "pool") {
			most = len(r.sessions("btrfs"))
		}
		if len(found) > most {
			wrong = append(wrong, fmt.Errorf("left: %v in %s, want %d", found, folder, most))
		}
	}
	images, err := h.shell("losetup --all --noheadings --output BACK-FILE | { grep -v -e pool.img -e lvm.img -e device.ext4 || true; } | sort")
	if err != nil {
		return append(wrong, err)
	}
	allowed := len(r.sessions("written")) + min(1, len(r.sessions("image")))
	if found := strings.Fields(images); len(found) > allowed {
		wrong = append(wrong, fmt.Errorf("left: loop devices of %v, want %d", found, allowed))
	}
	volumes, err := h.shell("lvs --noheadings -o lv_name kept | { grep coppice || true; }")
	if err != nil {
		return append(wrong, err)
	}
	if found, most := strings.Fields(volumes), len(r.sessions("thick"))+len(r.sessions("thin")); len(found) != most {
		wrong = append(wrong, fmt.Errorf("left: the volumes %v, want %d", found, most))
	}
	groups, err := h.shell("vgs --noheadings -o vg_name 2>/dev/null")
	if err != nil {
		return append(wrong, err)
	}
	for group := range strings.FieldsSeq(groups) {
		if _, err := h.shell("vgck " + group); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// end takes everything away.
func (h host) end() error {
	if _, err := h.shell("rm -f " + kept + "/m/*"); err != nil {
		return err
	}
	if err := h.sweep(); err != nil {
		return err
	}
	wrong := h.strays(record{})
	bases, err := below(kept + "/state/bases")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		wrong = append(wrong, err)
	}
	if len(bases) > 0 {
		wrong = append(wrong, fmt.Errorf("left: the bases %v", bases))
	}
	return errors.Join(wrong...)
}

func below(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	names := map[string]bool{}
	for _, entry := range entries {
		names[entry.Name()] = true
	}
	return slices.Sorted(maps.Keys(names)), err
}
