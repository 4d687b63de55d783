package machine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// unpackKernel takes the kernel out of the root and lays down what the machine
// starts with: the kernel as an ELF file, which saves an emulated processor a
// second of decompressing, and an initramfs of its first modules.
func unpackKernel(ctx context.Context, root, result string) error {
	found, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("find the kernel: there are %d", len(found))
	}
	release := strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-")
	packed, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	plain, err := decompress(ctx, packed)
	if err != nil {
		return err
	}
	folder := filepath.Join(root, "usr/lib/modules", release)
	if _, err := output(ctx, nil, "depmod", "-b", root, release); err != nil {
		return err
	}
	order, err := moduleOrder(folder, bootModules)
	if err != nil {
		return err
	}
	archive, err := initramfs(folder, order)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"vmlinux": plain, "initramfs": archive, "release": []byte(release)} {
		if err := os.WriteFile(filepath.Join(result, name), data, 0o644); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(root, "boot"))
}

// initramfs is all but its /init, which each run adds.
func initramfs(folder string, order []string) ([]byte, error) {
	var c cpio
	for _, name := range []string{"dev", "proc", "sys", "image", "layer", "root", "modules"} {
		c.add(name, modeFolder, nil, 0, 0)
	}
	c.add("dev/console", modeDevice, nil, 5, 1)
	var names []string
	for _, file := range order {
		names = append(names, filepath.Base(file))
		if err := c.file("modules/"+filepath.Base(file), filepath.Join(folder, file), modeProgram); err != nil {
			return nil, err
		}
	}
	c.add("modules/order", modeProgram, []byte(strings.Join(names, "\n")), 0, 0)
	return c.bytes(), nil
}

// decompress takes the kernel out of a bzImage, see
// https://docs.kernel.org/arch/x86/boot.html.
func decompress(ctx context.Context, image []byte) ([]byte, error) {
	const sectors, magic, offset, length = 0x1f1, 0x202, 0x248, 0x24c
	if len(image) < 0x300 || string(image[magic:magic+4]) != "HdrS" {
		return nil, errors.New("it is no bzImage")
	}
	code := (int(image[sectors]) + 1) * 512
	begin := code + int(binary.LittleEndian.Uint32(image[offset:]))
	end := begin + int(binary.LittleEndian.Uint32(image[length:]))
	if end > len(image) || begin >= end {
		return nil, errors.New("the header names a payload outside the file")
	}
	payload := image[begin:end]
	for _, form := range []struct {
		magic   string
		command []string
	}{
		{"\x02\x21\x4c\x18", []string{"lz4", "-d", "-c"}},
		{"\x1f\x8b", []string{"gzip", "-d", "-c"}},
		{"\xfd7zXZ", []string{"xz", "-d", "-c"}},
		{"\x28\xb5\x2f\xfd", []string{"zstd", "-d", "-c"}},
	} {
		if !bytes.HasPrefix(payload, []byte(form.magic)) {
			continue
		}
		cmd := exec.CommandContext(ctx, form.command[0], form.command[1:]...)
		cmd.Stdin = bytes.NewReader(payload)
		// The payload ends in its length, which the program takes for rubbish.
		plain, err := cmd.Output()
		if !bytes.HasPrefix(plain, []byte("\x7fELF")) {
			return nil, fmt.Errorf("decompress by %s: no ELF file came out: %w", form.command[0], err)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("the kernel's compression is not known: it begins with % x", payload[:min(6, len(payload))])
}
