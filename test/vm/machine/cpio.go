package machine

import (
	"bytes"
	"fmt"
	"os"
)

// cpio writes the archive that an initramfs is, in the form the kernel calls
// "newc". Archives may follow each other in one file.
type cpio struct {
	buffer bytes.Buffer
	inode  int
}

const (
	modeFolder  = 0o040755
	modeProgram = 0o100755
	modeDevice  = 0o020600
)

// add adds an entry; the numbers are those of a device.
func (c *cpio) add(name string, mode int, data []byte, major, minor int) {
	c.inode++
	fmt.Fprintf(&c.buffer, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
	c.buffer.WriteString(name + "\x00")
	c.pad()
	c.buffer.Write(data)
	c.pad()
}

func (c *cpio) pad() {
	for c.buffer.Len()%4 != 0 {
		c.buffer.WriteByte(0)
	}
}

func (c *cpio) file(name, from string, mode int) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	c.add(name, mode, data, 0, 0)
	return nil
}

func (c *cpio) bytes() []byte {
	c.add("TRAILER!!!", 0, nil, 0, 0)
	return c.buffer.Bytes()
}
