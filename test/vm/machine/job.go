package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"coppice.dev/test/vm/wire"
)

// pack writes the disk with the job and the files and folders that belong to it,
// which the guest finds below wire.JobRoot under the names given.
func pack(ctx context.Context, work string, job wire.Job, files map[string]string) (string, error) {
	text, err := json.MarshalIndent(job, "", "  ")
	if err != nil {
		return "", err
	}
	stage := filepath.Join(work, "job")
	if err := os.Mkdir(stage, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(stage, wire.JobFile), text, 0o644); err != nil {
		return "", err
	}
	for name, from := range files {
		to := filepath.Join(stage, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		// A copy that shares its data where the file system can.
		if _, err := output(ctx, nil, "cp", "-a", "--reflink=auto", "-T", from, to); err != nil {
			return "", err
		}
	}
	disk := filepath.Join(work, "job.squashfs")
	_, err = output(ctx, nil, "mksquashfs", stage, disk, "-all-root", "-noI", "-noId", "-noD", "-noF", "-noX", "-no-progress", "-quiet")
	if err != nil {
		return "", err
	}
	return disk, os.RemoveAll(stage)
}

// scratch makes the disk with space to work on. Its file is as large as what is
// written to it.
func scratch(ctx context.Context, work string, megabytes int) (string, error) {
	disk := filepath.Join(work, "scratch")
	if err := Blank(disk, int64(megabytes)<<20); err != nil {
		return "", err
	}
	return disk, Format(ctx, disk)
}

// Format makes an ext4 file system that belongs to root.
func Format(ctx context.Context, disk string) error {
	_, err := output(ctx, nil, "mkfs.ext4", "-q", "-F", "-E", "nodiscard,root_owner=0:0", disk)
	return err
}

// Blank makes a file of that many zeros that takes no space.
func Blank(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := file.Truncate(size); err != nil {
		file.Close()
		return fmt.Errorf("make a disk of %d bytes: %w", size, err)
	}
	return file.Close()
}
