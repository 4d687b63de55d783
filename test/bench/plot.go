package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// Sizes of the plot, in pixels.
const (
	left, right, line, top = 190, 660, 26, 40
)

// plot draws the medians of whole sessions as bars on a logarithmic scale: they
// differ by more than a hundred times.
func plot(results []*result) string {
	var rows []*result
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	for _, r := range results {
		if took := median(r.cycle); took > 0 {
			rows = append(rows, r)
			least, most = min(least, took), max(most, took)
		}
	}
	from := math.Floor(math.Log10(least.Seconds() * 1000))
	to := math.Ceil(math.Log10(most.Seconds() * 1000))
	x := func(ms float64) float64 { return left + (math.Log10(ms)-from)/(to-from)*(right-left) }
	var b strings.Builder
	height := top + line*len(rows) + 20
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n", height)
	fmt.Fprintf(&b, "<rect width=\"760\" height=\"%d\" fill=\"white\"/>\n<text x=\"%d\" y=\"16\">one session that runs true: begin, exec, end; median, ms</text>\n", height, left)
	for decade := from; decade <= to; decade++ {
		at := x(math.Pow(10, decade))
		fmt.Fprintf(&b, "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%d\" y2=\"%d\" stroke=\"#ccc\"/><text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\" fill=\"#666\" font-size=\"11\">%g</text>\n",
			at, at, top-4, height-14, at, height-2, math.Pow(10, decade))
	}
	for i, r := range rows {
		y, ms := top+line*i, median(r.cycle).Seconds()*1000
		colour := "#999"
		if strings.Contains(strings.ToLower(r.name), "coppice") {
			colour = "#2a7"
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text><rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/><text x=\"%.1f\" y=\"%d\">%.1f</text>\n",
			left-8, y+14, html.EscapeString(r.name), left, y+2, x(ms)-left, line-8, colour, x(ms)+5, y+14, ms)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
