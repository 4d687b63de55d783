// Package version says which build of Coppice this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// number is set by the linker; see the Makefile.
var number string

// Number returns the version, such as "v0.1.0-12-gabc1234", or "devel".
func Number() string {
	if number != "" {
		return number
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// String returns the version with the Go release and the platform it is for.
func String() string {
	return fmt.Sprintf("%s (%s, %s/%s)", Number(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
