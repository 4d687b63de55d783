//go:build manual

package main

import "coppice.dev/cmd/internal/manual"

// Built with this tag, the program writes its manual and ends.
func init() { manual.Become(newCommand(), "8") }
