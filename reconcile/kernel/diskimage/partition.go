package diskimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Partition is one partition of a disk's image, in bytes.
type Partition struct {
	Number       int
	Offset, Size int64
}

// ErrNoTable is returned for an image without a partition table.
var ErrNoTable = errors.New("it has no partition table")

const (
	sector = 512
	// mostLogical bounds the chain of logical partitions, which could be a circle.
	mostLogical = 128
	// mostEntries and mostEntrySize bound a GPT; the usual is 128 of 128 bytes.
	mostEntries   = 1024
	mostEntrySize = 4096
)

// Partitions returns the partitions of a disk's image of that size: of its GPT,
// else of its MBR.
func Partitions(image io.ReaderAt, size int64) ([]Partition, error) {
	boot := make([]byte, sector)
	if _, err := image.ReadAt(boot, 0); err != nil {
		return nil, ErrNoTable
	}
	if boot[510] != 0x55 || boot[511] != 0xaa {
		return nil, ErrNoTable
	}
	// A disk with a GPT has an MBR with one entry that covers all of it.
	for _, e := range primary(boot) {
		if e.kind == 0xee {
			return gpt(image, size)
		}
	}
	return mbr(image, boot, size), nil
}

// Find returns one partition, or an error that tells which there are.
func Find(image io.ReaderAt, size int64, number int) (Partition, error) {
	list, err := Partitions(image, size)
	if err != nil {
		return Partition{}, err
	}
	var numbers []int
	for _, p := range list {
		if p.Number == number {
			return p, nil
		}
		numbers = append(numbers, p.Number)
	}
	return Partition{}, fmt.Errorf("it has no partition %d, but %v", number, numbers)
}

// mbrEntry is one of the four entries of a boot record, in sectors.
type mbrEntry struct {
	kind          byte
	start, length int64
}

func primary(record []byte) []mbrEntry {
	var entries []mbrEntry
	for i := range 4 {
		raw := record[446+16*i:][:16]
		entries = append(entries, mbrEntry{
			kind:   raw[4],
			start:  int64(binary.LittleEndian.Uint32(raw[8:])),
			length: int64(binary.LittleEndian.Uint32(raw[12:])),
		})
	}
	return entries
}

func (e mbrEntry) extended() bool { return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85 }

// mbr returns primary partitions, 1 to 4, and logical ones from 5.
func mbr(image io.ReaderAt, boot []byte, size int64) []Partition {
	var list []Partition
	for i, e := range primary(boot) {
		switch {
		case e.kind == 0 || e.length == 0:
		case e.extended():
			list = append(list, logical(image, e.start, size)...)
		default:
			list = appendWithin(list, Partition{i + 1, e.start * sector, e.length * sector}, size)
		}
	}
	return list
}

// logical follows the chain of extended boot records: each tells of one
// partition, relative to itself, and of the next record, relative to the first.
func logical(image io.ReaderAt, first, size int64) []Partition {
	var list []Partition
	record := make([]byte, sector)
	at := first
	for number := 5; number < 5+mostLogical; number++ {
		if _, err := image.ReadAt(record, at*sector); err != nil || record[510] != 0x55 || record[511] != 0xaa {
			break
		}
		entries := primary(record)
		if e := entries[0]; e.kind != 0 && e.length > 0 {
			list = appendWithin(list, Partition{number, (at + e.start) * sector, e.length * sector}, size)
		}
		if entries[1].kind == 0 || entries[1].start == 0 {
			break
		}
		at = first + entries[1].start
	}
	return list
}

// gpt reads the table at the beginning, else its copy at the end, for sectors of
// 512 and of 4096 bytes.
func gpt(image io.ReaderAt, size int64) ([]Partition, error) {
	for _, block := range []int64{512, 4096} {
		for _, at := range []int64{block, size - block} {
			if list, err := gptAt(image, at, block, size); err == nil {
				return list, nil
			}
		}
	}
	return nil, errors.New("both copies of its GPT are damaged")
}

var errGPT = errors.New("no valid GPT")

// gptAt reads the table whose header is at the offset (UEFI specification, 5.3).
func gptAt(image io.ReaderAt, at, block, size int64) ([]Partition, error) {
	header := make([]byte, 92)
	if at < 0 || at > size {
		return nil, errGPT
	}
	if _, err := image.ReadAt(header, at); err != nil || string(header[:8]) != "EFI PART" {
		return nil, errGPT
	}
	want := binary.LittleEndian.Uint32(header[16:])
	clear(header[16:20])
	first := binary.LittleEndian.Uint64(header[72:])
	count := binary.LittleEndian.Uint32(header[80:])
	length := binary.LittleEndian.Uint32(header[84:])
	if binary.LittleEndian.Uint32(header[12:]) != 92 || crc32.ChecksumIEEE(header) != want ||
		count > mostEntries || length < 128 || length > mostEntrySize || first > uint64(size/block) {
		return nil, errGPT
	}
	table := make([]byte, int(count)*int(length))
	if _, err := image.ReadAt(table, int64(first)*block); err != nil || crc32.ChecksumIEEE(table) != binary.LittleEndian.Uint32(header[88:]) {
		return nil, errGPT
	}
	var list []Partition
	for i := range int(count) {
		e := table[i*int(length):][:length]
		from, to := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
		if [16]byte(e[:16]) == ([16]byte{}) || to < from || to > uint64(size/block) {
			continue
		}
		list = appendWithin(list, Partition{i + 1, int64(from) * block, int64(to-from+1) * block}, size)
	}
	return list, nil
}

// appendWithin adds a partition that lies within the image, at least in part:
// what of it is missing the file system will miss.
func appendWithin(list []Partition, p Partition, size int64) []Partition {
	if p.Offset <= 0 || p.Size <= 0 || p.Offset >= size {
		return list
	}
	p.Size = min(p.Size, size-p.Offset)
	return append(list, p)
}
