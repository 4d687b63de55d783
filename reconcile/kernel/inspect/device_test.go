package inspect_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice.dev/reconcile/fault"
	"coppice.dev/reconcile/kernel/inspect"
	"coppice.dev/reconcile/kernel/lvm"
	"coppice.dev/spec"
)

// TestVolumesWithoutDeviceMapper: where the kernel has none that is the reason, not
// that a volume, which lvm knows of all the same, is not active.
func TestVolumesWithoutDeviceMapper(t *testing.T) {
	program := t.TempDir() + "/lvm"
	const report = `{"report":[{"lv":[{"vg_name":"vg","lv_name":"lv","lv_uuid":"u","lv_tags":"","origin":"","pool_lv":"",` +
		`"lv_size":"4194304","data_percent":"","metadata_percent":"","lv_active":"","lv_snapshot_invalid":"unknown","lv_attr":"-wi-------"}]}]}`
	must(t, os.WriteFile(program, []byte("#!/bin/sh\necho '"+report+"'\n"), 0o755))
	reason, words := fault.SourceUnusable, "lvchange -ay vg/lv"
	if !lvm.Mapper() {
		reason, words = fault.KernelTooOld, "modprobe dm_mod"
	}
	volumes := &lvm.Reports{Tool: &lvm.Tool{Program: program}}
	_, err := inspect.Source(t.Context(), spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{VolumeGroup: "vg", LogicalVolume: "lv", Size: "1Gi"}}, volumes)
	if fault.ReasonOf(err) != reason || !strings.Contains(err.Error(), words) {
		t.Errorf("%v; want %s, %q", err, reason, words)
	}
}

// TestVolumesThatAreSlow: a look that lvm holds up says so, and not what helps with
// file systems that are gone.
func TestVolumesThatAreSlow(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/gate", 0o600))
	must(t, os.WriteFile(dir+"/lvm", []byte("#!/bin/sh\nread x < "+dir+"/gate\n"), 0o755))
	gate, err := os.OpenFile(dir+"/gate", os.O_RDWR, 0)
	must(t, err)
	defer gate.Close()
	inspector := &inspect.Inspector{Volumes: &lvm.Reports{Tool: &lvm.Tool{Program: dir + "/lvm"}}}
	source := spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{VolumeGroup: "vg", LogicalVolume: "lv", Thin: true}}
	_, err = inspector.Source(t.Context(), source)
	if text := fmt.Sprint(err); fault.ReasonOf(err) != fault.TimedOut || !strings.Contains(text, "lvm does not answer") || strings.Contains(text, "umount") {
		t.Error(err)
	}
	_, err = gate.WriteString("go on\n")
	must(t, err)
}
