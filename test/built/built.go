// Package built gives tests the programs that they are about: built anew from
// the sources, or, where there is no Go, those that were brought along.
package built

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Variable names the folder of programs that were built beforehand, as it is
// set in the virtual machine of test/vm.
const Variable = "COPPICE_TEST_BIN"

// Commands returns the folder that holds coppice and coppiced. They are built
// in the given one if there is no other.
func Commands(folder string) (string, error) {
	if given := os.Getenv(Variable); given != "" {
		return given, nil
	}
	// The test may be of another module, which lacks what the commands need.
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "coppice.dev").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of the commands: %w", err)
	}
	build := exec.Command("go", "build", "-o", folder+string(filepath.Separator), "coppice.dev/cmd/...")
	build.Dir = strings.TrimSpace(string(root))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the commands: %w\n%s", err, out)
	}
	return folder, nil
}
