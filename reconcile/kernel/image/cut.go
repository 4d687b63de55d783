package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cut says that the file under a loop device has become shorter than what the
// device shows: whatever lies behind its end cannot be read any more. It is ""
// if that is not so, or cannot be told, as of a file that was deleted.
func cut(device string) string {
	block := "/sys/block/" + filepath.Base(device)
	text := func(name string) string {
		content, err := os.ReadFile(filepath.Join(block, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(content))
	}
	path := text("loop/backing_file")
	sectors, errSectors := strconv.ParseInt(text("size"), 10, 64)
	offset, errOffset := strconv.ParseInt(text("loop/offset"), 10, 64)
	if path == "" || errSectors != nil || errOffset != nil {
		return ""
	}
	file, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	// Another file may have taken the name of the one that is in use.
	if info, err := statusOf(device, file); err != nil || info == nil {
		return ""
	}
	now, err := file.Stat()
	const sector = 512
	if err != nil || (now.Size()-offset)/sector >= sectors {
		return ""
	}
	return fmt.Sprintf("%s was cut to %d bytes while it is in use: what lay behind cannot be read; put the image back whole, then recreate the sessions that use it", path, now.Size())
}
