package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/status"
)

func TestActivity(t *testing.T) {
	for step, want := range map[string]string{
		"Create base/1a2b:2-layer/tree": "unpacking the archive", "Amend 2-layer/tree": "packing the archive again",
		"Create 5-mounts/dev/pts": "mounting /dev/pts", "Create 8-task/3-hook/000-warm-up": "running the hook warm-up",
		"Destroy 8-task/3-hook/001-net": "undoing the hook net", "Create 8-task/1-file/etc/hosts": "copying /etc/hosts",
		"Create 8-task/2-database/passwd": "copying /etc/passwd", "Destroy 6-inside/processes": "ending what runs inside",
		"Destroy base/1a2b:1-device/image": "taking down 1-device/image", "Observe ": "looking at what is there",
		"Amend 9-new/x": "amend 9-new/x", "Create 1-device/volume": "making the snapshot",
	} {
		operation, address, _ := strings.Cut(step, " ")
		if got := activity(status.Step{Operation: operation, Address: address}); got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
}

func TestWaitingLine(t *testing.T) {
	doing := func(done, total int64) *status.File {
		f := session("a", status.Provisioning, "False", "Provisioning", "it is being made")
		f.Status.Step = &status.Step{Operation: "Create", Address: "2-layer/tree", Since: metav1.NewTime(now.Add(-10 * time.Second)), Done: done, Total: total}
		return &f
	}
	waits := session("a", status.Pending, "False", "ChrootNotFound", "there is no chroot\nof that name")
	for _, row := range []struct {
		what    string
		file    *status.File
		columns int
		want    string
	}{
		{"not heard of", nil, 80, "a: coppiced has not told of it yet (12s)"},
		{"nothing is done", &waits, 80, "a: there is no chroot (12s)"},
		{"not known how far", doing(0, 0), 80, "a: unpacking the archive (12s)"},
		{"a quarter", doing(250<<20, 1000<<20), 100, "a: unpacking the archive [#######.......................] 25% of 1000 MiB, 25.0 MiB/s, 30s left"},
		{"a narrow window", doing(250<<20, 1000<<20), 80, "a: unpacking the archive [##........] 25% of 1000 MiB, 25.0 MiB/s, 30s left"},
		{"a narrower one", doing(250<<20, 1000<<20), 60, "a: unpacking the archive 25% of 1000 MiB, 25.0 MiB/s, 30s left"},
		{"all is read", doing(1000<<20, 1000<<20), 100, "a: unpacking the archive: all of 1000 MiB is done, and is put on disk (12s)"},
	} {
		if got := waitingLine("a", row.file, now.Add(-12*time.Second), now, row.columns); got != row.want {
			t.Errorf("%s: %q, want %q", row.what, got, row.want)
		}
	}
}
