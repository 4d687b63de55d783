package lvm

import (
	"slices"
	"testing"

	"coppice.dev/reconcile/object"
)

// TestWhoIsToldOfVolumes: whose volume, or whose pool, is not as it was.
func TestWhoIsToldOfVolumes(t *testing.T) {
	const controller = "0123456789abcdef"
	tag := func(name string) []string {
		return []string{object.Label{Controller: controller, Owner: object.SessionOwner(name), Print: object.PrintOf(object.Volume{Group: "vg"})}.String()}
	}
	d := New(controller, nil)
	at := func(change func(r Report)) map[string]condition {
		r := Report{
			{Group: "vg", Name: "pool", UUID: "p", Data: 20, Metadata: 3, Health: '-'},
			{Group: "vg", Name: "a", UUID: "1", Tags: tag("a"), Data: 10, Active: true, Health: '-'},
			{Group: "vg", Name: "b", UUID: "2", Tags: tag("b"), Pool: "pool", Data: 50, Active: true, Health: '-'},
			{Group: "vg", Name: "c", UUID: "3", Tags: tag("c"), Pool: "pool", Active: true, Health: '-'},
			{Group: "vg", Name: "other", UUID: "4", Data: 30, Active: true, Health: '-'},
		}
		change(r)
		return conditions(d.own(r), r)
	}
	before := at(func(Report) {})
	for name, row := range map[string]struct {
		change func(Report)
		want   []string
	}{
		"nothing":                    {func(Report) {}, nil},
		"less than a percent":        {func(r Report) { r[1].Data = 10.9 }, nil},
		"a snapshot fills":           {func(r Report) { r[1].Data = 11 }, []string{"a"}},
		"a snapshot overflows":       {func(r Report) { r[1].Invalid = true }, []string{"a"}},
		"the pool fills":             {func(r Report) { r[0].Data = 21.5 }, []string{"b", "c"}},
		"the pool's metadata":        {func(r Report) { r[0].Metadata = 90 }, []string{"b", "c"}},
		"the pool fails":             {func(r Report) { r[0].Health = 'M' }, []string{"b", "c"}},
		"a thin volume has more":     {func(r Report) { r[2].Data = 60 }, nil},
		"one is no longer active":    {func(r Report) { r[3].Active = false }, []string{"c"}},
		"somebody's is gone":         {func(r Report) { r[2].Tags = nil }, []string{"b"}},
		"what is not ours is filled": {func(r Report) { r[4].Data = 99 }, nil},
	} {
		var got []string
		for _, owner := range changed(before, at(row.change)) {
			got = append(got, owner.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %v are told, want %v", name, got, row.want)
		}
	}
	if got := changed(nil, before); len(got) != 3 {
		t.Errorf("at the start %v are told", got)
	}
}
