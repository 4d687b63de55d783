package inspect_test

import (
	"os"
	"strings"
	"testing"

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
