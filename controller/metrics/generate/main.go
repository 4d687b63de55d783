// Command generate writes the table of metrics into docs/metrics.md, between two lines
// that mark its place:
//
//	go run ./controller/metrics/generate docs/metrics.md
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"coppice.dev/controller/metrics"
)

const (
	begins = "<!-- the metrics, written by make generate -->\n"
	ends   = "<!-- end of the metrics -->\n"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fresh, err := renew(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(fresh), 0o644)
}

// renew returns the text with the table as it is now.
func renew(text string) (string, error) {
	before, rest, found := strings.Cut(text, begins)
	_, after, closed := strings.Cut(rest, ends)
	if !found || !closed {
		return "", errors.New("there is no place for the table")
	}
	return before + begins + table() + ends + after, nil
}

func table() string {
	var b strings.Builder
	b.WriteString("\n| metric | type | labels | it is |\n| --- | --- | --- | --- |\n")
	for _, d := range metrics.Definitions() {
		labels := ""
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Type, labels, d.Help)
	}
	b.WriteString("\n")
	return b.String()
}
