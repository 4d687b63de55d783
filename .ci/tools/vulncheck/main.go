// Command vulncheck tells whether programs call code that is known to be vulnerable.
// It is govulncheck with a database that comes over the Go module proxy, so whoever can
// build Coppice can run it: the module golang.org/x/vulndb holds every report.
//
//	vulncheck [-accept FILE] PACKAGE...
//
// What a dependency brings is a failure, unless FILE says why it is left. What the Go
// release itself brings is told, with the release that mends it: which one builds is
// decided by whoever builds, and nothing in this tree can change it.
//
// It never decides by itself that something is harmless.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"

	"golang.org/x/vuln/scan"
)

func main() {
	accept := flag.String("accept", "", "a `file` with a line for each report that is left: its number, and why")
	flag.Parse()
	if err := run(context.Background(), *accept, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, accept string, patterns []string) error {
	left := map[string]string{}
	if accept != "" {
		text, err := os.ReadFile(accept)
		if err != nil {
			return fmt.Errorf("read what is accepted: %w", err)
		}
		if left, err = parseAccepted(string(text)); err != nil {
			return fmt.Errorf("%s: %w", accept, err)
		}
	}
	database, err := locate(ctx)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	check := scan.Command(ctx, append([]string{"-format", "json", "-db", "file://" + database}, patterns...)...)
	check.Stdout, check.Stderr = &out, os.Stderr
	if err := check.Start(); err != nil {
		return fmt.Errorf("start govulncheck: %w", err)
	}
	if err := check.Wait(); err != nil {
		return fmt.Errorf("govulncheck: %w", err)
	}
	found, err := read(&out)
	if err != nil {
		return err
	}
	v := judge(found, left)
	fmt.Print(v.text())
	return v.err()
}
