package lvm

import (
	"maps"
	"time"
)

// Figures is how our volumes are, and the pools that they lie in, in numbers.
type Figures struct {
	// Looked is when that was; zero if there never was a volume of ours.
	Looked time.Time
	// Thick and Thin count the snapshots, and Unwell those of them that are invalid, or
	// lack a disk, or lie in a pool that does or has no room left.
	Thick, Thin, Unwell int
	// Fullest is how full the fullest thick snapshot is, as a part of 1.
	Fullest float64
	// Pools are the thin pools that our snapshots lie in, by "group/name".
	Pools map[string]PoolFigures
}

// PoolFigures is how full a thin pool is, as parts of 1.
type PoolFigures struct{ Data, Metadata float64 }

// Figures returns what the watch found last. Nothing is looked at for it.
func (d *Driver) Figures() Figures {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ours) == 0 {
		return Figures{Looked: d.figures.Looked} // the watch rests since the last one went
	}
	f := d.figures
	f.Pools = maps.Clone(f.Pools)
	return f
}

// figure keeps a look for those who ask for figures.
func (d *Driver) figure(all Report) {
	f := figuresOf(d.own(all), all)
	f.Looked = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.figures = f
}

func figuresOf(ours []owned, all Report) Figures {
	f := Figures{Pools: map[string]PoolFigures{}}
	for _, v := range ours {
		well := !v.Invalid && v.Health == '-'
		if v.Pool == "" {
			f.Thick++
			f.Fullest = max(f.Fullest, v.Data/percent)
		} else {
			f.Thin++
		}
		if pool, there := all.Find(v.Group, v.Pool); there && v.Pool != "" {
			f.Pools[v.Group+"/"+v.Pool] = PoolFigures{pool.Data / percent, pool.Metadata / percent}
			well = well && pool.Health == '-'
		}
		if !well {
			f.Unwell++
		}
	}
	return f
}

// percent is how many parts lvs counts in.
const percent = 100
