package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func ms(list ...float64) []time.Duration {
	var times []time.Duration
	for _, n := range list {
		times = append(times, time.Duration(n*float64(time.Millisecond)))
	}
	return times
}

func TestMedian(t *testing.T) {
	for _, row := range []struct {
		times []time.Duration
		want  time.Duration
	}{
		{nil, 0},
		{ms(3), 3 * time.Millisecond},
		{ms(9, 1, 2), 2 * time.Millisecond},
		{ms(4, 1, 2, 100), 3 * time.Millisecond},
	} {
		if got := median(row.times); got != row.want {
			t.Errorf("median of %v: %v, want %v", row.times, got, row.want)
		}
	}
}

var some = []*result{
	{name: "bare", begin: ms(1), exec: ms(2), end: ms(0.5), cycle: ms(3.5)},
	{name: "other <x>", begin: ms(10, 30, 20), exec: ms(2), end: ms(5), cycle: ms(27)},
	{name: "whole", cycle: ms(7)},
	{name: "broken", begin: ms(1), failed: errors.New("no")},
}

func TestTable(t *testing.T) {
	const want = `| ms (times the bare calls) | begin | exec true | end | all of it |
| --- | ---: | ---: | ---: | ---: |
| bare | 1.00 (1.0) | 2.00 (1.0) | 0.50 (1.0) | 3.50 (1.0) |
| other <x> | 20.00 (20.0) | 2.00 (1.0) | 5.00 (10.0) | 27.00 (7.7) |
| whole |  |  |  | 7.00 (2.0) |
| broken | failed | | | |
`
	if got := table(some); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPlot(t *testing.T) {
	got := plot(some)
	for _, want := range []string{"<svg ", "other &lt;x&gt;", ">27.0</text>", ">10</text>", "</svg>\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "broken") {
		t.Errorf("a bar for what has no time:\n%s", got)
	}
	if n := strings.Count(got, "<rect "); n != 1+3 {
		t.Errorf("%d bars", n-1)
	}
}
