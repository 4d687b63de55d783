package machine

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// tools are the programs that the harness itself uses.
var tools = []string{"qemu-system-x86_64", "apt-get", "depmod", "dpkg-deb", "lz4", "mkfs.ext4", "mksquashfs", "tar"}

// Missing says what is to be installed, nothing if all is there.
func Missing() error {
	var missing []string
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("these programs are missing: %s; `make deps` installs them", strings.Join(missing, ", "))
}
