package status

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
)

// KindManifest is the kind of the status of a file that does not parse. Its
// name is the file's path.
const KindManifest = "Manifest"

// KindFolder is the kind of the status of a watched folder. Its name is the path.
const KindFolder = "Folder"

// extension is what every status file ends in; a file that does not, or that
// begins with a dot, is not there for readers.
const extension = ".yaml"

// longestName is the longest escaped name that is used as it is: NAME_MAX is
// 255 bytes, and a temporary name is a little longer than the final one.
const longestName = 200

// Path returns the status file of an object.
func Path(dir, kind, name string) string {
	return filepath.Join(folder(dir, kind), escape(name)+extension)
}

func folder(dir, kind string) string { return filepath.Join(dir, strings.ToLower(kind)) }

// escape turns a name into that of a file. Names of objects stay as they are; a
// path loses its first slash, the others become "_", and what could be mistaken
// becomes %XX. Two names never give one file.
func escape(name string) string {
	var b strings.Builder
	for i, c := range []byte(strings.TrimPrefix(name, "/")) {
		switch {
		case c == '/':
			b.WriteByte('_')
		case c == '.' && i > 0, c == '-', c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() > longestName {
		sum := sha256.Sum256([]byte(name))
		return b.String()[:longestName-17] + "%" + hex.EncodeToString(sum[:8])
	}
	return b.String()
}

// visible reports whether a file of that name is a whole status file.
func visible(file string) bool {
	return strings.HasSuffix(file, extension) && !strings.HasPrefix(file, ".")
}
