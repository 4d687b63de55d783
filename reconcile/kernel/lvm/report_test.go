package lvm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/reconcile/fault"
)

// printed is what lvs of lvm2 2.03.16 printed.
const printed = `  {
      "report": [
          {
              "lv": [
                  {"vg_name":"vg0", "lv_name":"base", "lv_uuid":"8M6imU-dh3D", "lv_tags":"", "origin":"", "pool_lv":"", "lv_size":"67108864", "data_percent":"", "metadata_percent":"", "lv_active":"active", "lv_snapshot_invalid":"unknown", "lv_attr":"owi-a-s---"},
                  {"vg_name":"vg0", "lv_name":"coppice.a.b.1", "lv_uuid":"ycFFrg-y0MA", "lv_tags":"coppice/0123abcd/session/a-b#0123456789ab.ba9876543210,mine", "origin":"base", "pool_lv":"", "lv_size":"16777216", "data_percent":"100.00", "metadata_percent":"", "lv_active":"active", "lv_snapshot_invalid":"snapshot invalid", "lv_attr":"swi-I-s---"},
                  {"vg_name":"vg0", "lv_name":"thin.1", "lv_uuid":"QuYmja-vclk", "lv_tags":"", "origin":"thin", "pool_lv":"pool", "lv_size":"67108864", "data_percent":"7.42", "metadata_percent":"", "lv_active":"", "lv_snapshot_invalid":"unknown", "lv_attr":"Vwi---tz--"},
                  {"vg_name":"vg0", "lv_name":"pool", "lv_uuid":"8T3ACY-IJqb", "lv_tags":"", "origin":"", "pool_lv":"", "lv_size":"104857600", "data_percent":"97.94", "metadata_percent":"11.82", "lv_active":"active", "lv_snapshot_invalid":"unknown", "lv_attr":"twi-aotzD-"}
              ]
          }
      ]
  }
`

func TestParse(t *testing.T) {
	got, err := parse([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	want := Report{
		{Group: "vg0", Name: "base", UUID: "8M6imU-dh3D", Size: 67108864, Active: true, Type: 'o', Health: '-'},
		{Group: "vg0", Name: "coppice.a.b.1", UUID: "ycFFrg-y0MA", Tags: []string{"coppice/0123abcd/session/a-b#0123456789ab.ba9876543210", "mine"}, Origin: "base", Size: 16777216, Data: 100, Active: true, Invalid: true, Type: 's', Health: '-'},
		{Group: "vg0", Name: "thin.1", UUID: "QuYmja-vclk", Origin: "thin", Pool: "pool", Size: 67108864, Data: 7.42, Type: 'V', Health: '-'},
		{Group: "vg0", Name: "pool", UUID: "8T3ACY-IJqb", Size: 104857600, Data: 97.94, Metadata: 11.82, Active: true, Type: 't', Health: 'D'},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	// What is no whole report must not look like a world with less in it.
	for _, text := range []string{"", "{}", `{"report":[]}`, printed[:len(printed)/2], strings.Replace(printed, `"67108864"`, `"64m"`, 1), strings.Replace(printed, `"7.42"`, `"some"`, 1)} {
		if r, err := parse([]byte(text)); err == nil {
			t.Errorf("%q read as %v", text, r)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(printed)
	f.Add(`{"report":[{"lv":[]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		report, err := parse([]byte(text))
		if err != nil && report != nil {
			t.Errorf("half a report: %v, %v", report, err)
		}
	})
}

func TestTrouble(t *testing.T) {
	pool := Volume{Group: "vg", Name: "pool", Size: 10 << 30, Data: 50, Metadata: 50, Health: '-'}
	thin := Volume{Group: "vg", Name: "s", Pool: "pool", Data: 99, Health: '-'}
	thick := Volume{Group: "vg", Name: "s", Size: 1536 << 20, Data: 81.5, Health: '-'}
	for name, c := range map[string]struct {
		volume, pool Volume
		threshold    int
		reason       fault.Reason
		words        []string
	}{
		"thick, near its end":      {volume: thick, threshold: 80, reason: fault.NoSpace, words: []string{"81.5% of 1.5 GiB full: the snapshot /dev/vg/s", "lvextend --size +1G vg/s"}},
		"thick, below":             {volume: thick, threshold: 82},
		"thick, nobody asks":       {volume: thick},
		"thin, its own does not":   {volume: thin, pool: pool, threshold: 80},
		"thin, the pool's data":    {volume: thin, pool: with(pool, func(p *Volume) { p.Data = 80 }), threshold: 80, reason: fault.NoSpace, words: []string{"80% of 10 GiB full: the thin pool vg/pool"}},
		"thin, the pool's records": {volume: thin, pool: with(pool, func(p *Volume) { p.Metadata = 93 }), threshold: 80, reason: fault.NoSpace, words: []string{"metadata", "93%", "--poolmetadatasize"}},
		"thin, the pool is full":   {volume: thin, pool: with(pool, func(p *Volume) { p.Health = 'D' }), threshold: 80, reason: fault.NoSpace, words: []string{"no room left, 10 GiB are full", "lvextend --size +10G vg/pool"}},
		"thin, read-only records":  {volume: thin, pool: with(pool, func(p *Volume) { p.Health = 'M' }), threshold: 80, reason: fault.DiskFailing, words: []string{"read-only"}},
		"a disk is missing":        {volume: with(thick, func(v *Volume) { v.Health = 'p'; v.Data = 0 }), threshold: 80, reason: fault.DiskFailing, words: []string{"lacks a disk"}},
	} {
		reason, message := trouble(c.volume, Report{c.volume, c.pool}, c.threshold)
		if reason != string(c.reason) || c.reason == "" && message != "" {
			t.Errorf("%s: %q, %s", name, reason, message)
		}
		for _, word := range c.words {
			if !strings.Contains(message, word) {
				t.Errorf("%s: %q is not in %q", name, word, message)
			}
		}
	}
}

func with(v Volume, change func(*Volume)) Volume {
	change(&v)
	return v
}

func TestGist(t *testing.T) {
	for words, want := range map[string]string{
		"": "",
		"  WARNING: Sum of all thin volume sizes exceeds the pool.\n  Snapshot origin LV x not found in Volume group vg0.\n":             "Snapshot origin LV x not found in Volume group vg0",
		"  Names including \"_tdata\" are reserved. Please choose a different LV name.\n  Run `lvcreate --help' for more information.\n": `Names including "_tdata" are reserved. Please choose a different LV name`,
		"a\nb\nc\nd\ne\n": "a; b; c; d; ...",
	} {
		if got := gist(words); got != want {
			t.Errorf("%q: %q", words, got)
		}
	}
}
