package lvm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"coppice.dev/reconcile/fault"
)

// Volume is a logical volume as lvs(8) tells of it.
type Volume struct {
	Group, Name, UUID string
	Tags              []string
	Origin            string // what it is a snapshot of
	Pool              string // the thin pool that it lies in
	Size              int64  // bytes
	// Data and Metadata are how full it is, in percent: a thick snapshot's store, a
	// pool's data and metadata. 0 if lvs does not tell.
	Data, Metadata float64
	Active         bool
	// Invalid is set for a thick snapshot that overflowed.
	Invalid bool
	// Type is lv_attr's first sign: 't' is a thin pool, 's' and 'S' a thick snapshot,
	// 'V' a thin volume (lvs(8)).
	Type byte
	// Health is lv_attr's ninth sign: '-' is well, 'p' lacks a disk, 'F' failed, 'D'
	// has no room left (lvs(8)).
	Health byte
}

// Path is where the device of the volume is, if it is active.
func (v Volume) Path() string { return "/dev/" + v.Group + "/" + v.Name }

// Report is all volumes of a machine at one time.
type Report []Volume

// Find returns the volume of that name.
func (r Report) Find(group, name string) (Volume, bool) {
	i := slices.IndexFunc(r, func(v Volume) bool { return v.Group == group && v.Name == name })
	if i < 0 {
		return Volume{}, false
	}
	return r[i], true
}

// HasGroup reports whether the volume group has any volume.
func (r Report) HasGroup(group string) bool {
	return slices.ContainsFunc(r, func(v Volume) bool { return v.Group == group })
}

// columns are what lvs is asked for; parse reads them by their names.
const columns = "vg_name,lv_name,lv_uuid,lv_tags,origin,pool_lv,lv_size,data_percent,metadata_percent,lv_active,lv_snapshot_invalid,lv_attr"

// parse reads what lvs --reportformat json printed, sizes in bytes.
func parse(text []byte) (Report, error) {
	var printed struct {
		Report []struct {
			LV []struct {
				Group    string `json:"vg_name"`
				Name     string `json:"lv_name"`
				UUID     string `json:"lv_uuid"`
				Tags     string `json:"lv_tags"`
				Origin   string `json:"origin"`
				Pool     string `json:"pool_lv"`
				Size     string `json:"lv_size"`
				Data     string `json:"data_percent"`
				Metadata string `json:"metadata_percent"`
				Active   string `json:"lv_active"`
				Invalid  string `json:"lv_snapshot_invalid"`
				Attr     string `json:"lv_attr"`
			} `json:"lv"`
		} `json:"report"`
	}
	if err := json.Unmarshal(text, &printed); err != nil {
		return nil, fmt.Errorf("read lvm's report: %w", err)
	}
	if len(printed.Report) == 0 {
		// A report that failed looks like a smaller world.
		return nil, fmt.Errorf("read lvm's report: there is none in %q", text[:min(len(text), 80)])
	}
	var volumes Report
	for _, part := range printed.Report {
		for _, lv := range part.LV {
			v := Volume{Group: lv.Group, Name: lv.Name, UUID: lv.UUID, Origin: lv.Origin, Pool: lv.Pool, Type: '-', Health: '-'}
			if lv.Tags != "" {
				v.Tags = strings.Split(lv.Tags, ",")
			}
			var err error
			if v.Size, err = strconv.ParseInt(lv.Size, 10, 64); err != nil {
				return nil, fmt.Errorf("read lvm's report on %s/%s: size: %w", v.Group, v.Name, err)
			}
			if v.Data, err = percentage(lv.Data); err == nil {
				v.Metadata, err = percentage(lv.Metadata)
			}
			if err != nil {
				return nil, fmt.Errorf("read lvm's report on %s/%s: percentage: %w", v.Group, v.Name, err)
			}
			v.Active = strings.HasPrefix(lv.Active, "active")
			v.Invalid = lv.Invalid == "snapshot invalid"
			if len(lv.Attr) >= 9 {
				v.Type, v.Health = lv.Attr[0], lv.Attr[8]
			}
			volumes = append(volumes, v)
		}
	}
	return volumes, nil
}

// percentage reads a figure that lvs may leave empty.
func percentage(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseFloat(text, 64)
}

// For how long a report serves the looks that come after it. What this program
// changes ends it at once; what others change is seen that much later.
const (
	// OfAPass is for the sessions of one pass, which is spread over some time.
	OfAPass = 5 * time.Second
	// OfNow is for who asks what there is at this moment.
	OfNow = time.Second
)

// Reports asks lvm for reports, one for all who ask at the same time.
type Reports struct {
	Tool *Tool

	mu      sync.Mutex
	changes int // by this program
	scopes  map[string]*scope
}

// scope is what reports are about: the volume group of that name, or with "" the
// whole machine.
type scope struct {
	last   Report
	at     time.Time
	asking *question
}

// question is a look that is under way.
type question struct {
	changes  int
	answered chan struct{}
	report   Report
	err      error
}

// Changed makes every report that was asked for before this one too old.
func (r *Reports) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	for _, s := range r.scopes {
		s.at = time.Time{}
	}
}

// Look returns all volumes, by a report of which the age is at most that. If lvm
// hangs, which it does when one volume group does, whoever names the groups that he
// has to know of gets the volumes of those alone.
func (r *Reports) Look(ctx context.Context, age time.Duration, groups ...string) (Report, error) {
	all, err := r.look(ctx, age, "")
	if len(groups) == 0 || fault.ReasonOf(err) != fault.TimedOut {
		return all, err
	}
	var some Report
	for _, group := range groups {
		part, err := r.look(ctx, age, group)
		if err != nil {
			return nil, err
		}
		some = append(some, part...)
	}
	return some, nil
}

func (r *Reports) look(ctx context.Context, age time.Duration, of string) (Report, error) {
	for {
		r.mu.Lock()
		s := r.scopes[of]
		if s == nil {
			if r.scopes == nil {
				r.scopes = map[string]*scope{}
			}
			s = &scope{}
			r.scopes[of] = s
		}
		if !s.at.IsZero() && time.Since(s.at) < age {
			defer r.mu.Unlock()
			return s.last, nil
		}
		q := s.asking
		stale := q != nil && q.changes != r.changes
		if q == nil {
			q = &question{changes: r.changes, answered: make(chan struct{})}
			s.asking = q
			go r.ask(context.WithoutCancel(ctx), of, s, q)
		}
		r.mu.Unlock()
		select {
		case <-q.answered:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if !stale {
			return q.report, q.err
		}
	}
}

func (r *Reports) ask(ctx context.Context, of string, s *scope, q *question) {
	words := []string{"lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "--options", columns}
	turn := ""
	if of != "" {
		words, turn = append(words, of), "report of "+of
	}
	text, err := r.Tool.run(ctx, turn, words...)
	if err == nil {
		q.report, err = parse(text)
	}
	q.err = explain(strings.TrimSpace("look at logical volumes "+of), err)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.asking = nil
	if q.err == nil && q.changes == r.changes {
		s.last, s.at = q.report, time.Now()
	}
	close(q.answered)
}
