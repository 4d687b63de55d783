//go:build manual

package main

import (
	"os"

	"coppice.dev/cmd/internal/manual"
)

// Built with this tag, the program writes its manual and ends.
func init() { manual.Become(newRoot(&cli{in: os.Stdin, out: os.Stdout, errOut: os.Stderr}), "1") }
