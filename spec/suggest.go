package spec

import (
	"fmt"
	"strings"
)

// didYouMean returns `, did you mean "x"?` for the candidate nearest to what was
// written, or otherwise if none is near.
func didYouMean(written string, candidates []string, otherwise string) string {
	if best := Nearest(written, candidates); best != "" {
		return fmt.Sprintf(", did you mean %q?", best)
	}
	return otherwise
}

// Nearest returns the candidate that what was written is most likely a mistake
// for, or "".
func Nearest(written string, candidates []string) string {
	best, least := "", max(1, len(written)/3)+1
	for _, c := range candidates {
		d := distance(strings.ToLower(written), strings.ToLower(c))
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace or swap with
// their neighbour that turn a into b.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // nobody mistypes that
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, now, before}
	}
	return rows[1][len(b)]
}
