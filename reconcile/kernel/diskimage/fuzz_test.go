package diskimage_test

import (
	"bytes"
	"testing"

	"coppice.dev/reconcile/kernel/diskimage"
)

func FuzzPartitions(f *testing.F) {
	boot := make([]byte, 4096)
	boot[510], boot[511] = 0x55, 0xaa
	boot[446+4], boot[446+8], boot[446+12] = 0x83, 1, 2
	f.Add(boot)
	extended := bytes.Clone(boot)
	extended[446+4] = 5
	extended[512+510], extended[512+511] = 0x55, 0xaa
	f.Add(extended)
	protective := bytes.Clone(boot)
	protective[446+4] = 0xee
	copy(protective[512:], "EFI PART")
	f.Add(protective)
	f.Fuzz(func(t *testing.T, image []byte) {
		size := int64(len(image))
		list, _ := diskimage.Partitions(bytes.NewReader(image), size)
		for _, p := range list {
			if p.Number < 1 || p.Offset <= 0 || p.Size <= 0 || p.Offset > size-p.Size {
				t.Errorf("partition %+v of an image of %d bytes", p, size)
			}
		}
	})
}

func FuzzFileSystem(f *testing.F) {
	f.Add([]byte("hsqs"), int64(0))
	f.Fuzz(func(_ *testing.T, image []byte, offset int64) {
		diskimage.FileSystem(bytes.NewReader(image), offset)
	})
}
