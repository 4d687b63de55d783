package holders

import (
	"os"
	"path/filepath"
	"strings"

	"coppice.dev/reconcile/object"
)

// Loops returns the loop devices whose files lie at or below a path of the host:
// they hold the file system that the files are on (loop(4)).
func Loops(path string) []object.Process {
	prefix := strings.TrimSuffix(filepath.Clean(path), "/") + "/"
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file") // fails for a bad pattern only
	var found []object.Process
	for _, name := range files {
		text, err := os.ReadFile(name)
		file := strings.TrimSuffix(strings.TrimSpace(string(text)), " (deleted)")
		if err != nil || !strings.HasPrefix(file+"/", prefix) {
			continue
		}
		device := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(name)))
		found = append(found, object.Process{UID: -1, Command: device, Path: file, Free: "losetup -d " + device})
	}
	return found
}
