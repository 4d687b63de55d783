package compile_test

import (
	"testing"

	"coppice.dev/reconcile/compile"
	"coppice.dev/reconcile/object"
	"coppice.dev/spec"
)

// What is made for a session says its UID, as far as it is kept anywhere.
func TestUIDIsFoundInWhatWasMade(t *testing.T) {
	for name, row := range map[string]struct {
		chroot  spec.ChrootSpec
		profile spec.ProfileSpec
		want    string
	}{
		"a snapshot": {chroot: spec.ChrootSpec{Source: spec.Source{BtrfsSnapshot: &spec.BtrfsSnapshotSource{Subvolume: "/srv/b"}}}, want: "uid"},
		"a volume":   {chroot: spec.ChrootSpec{Source: spec.Source{LVMSnapshot: &spec.LVMSnapshotSource{VolumeGroup: "vg", LogicalVolume: "lv", Thin: true}}}, want: "uid"},
		"a hook": {
			chroot:  spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/r"}}},
			profile: spec.ProfileSpec{Hooks: []spec.Hook{{Name: "h", Command: []string{"true"}}}}, want: "uid",
		},
		"nothing": {chroot: spec.ChrootSpec{Source: spec.Source{Directory: &spec.DirectorySource{Path: "/r"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := compile.Session(folders, record(row.chroot, func(r *compile.Record) { r.Session.Profile = row.profile }))
			if err != nil {
				t.Fatal(err)
			}
			world := object.World{Owner: object.SessionOwner("s")}
			for _, o := range result.Objects[1:] { // the home is what was lost
				seen := object.Observed{ID: o.ID, Kind: o.Kind(), Spec: o.Spec}
				if snapshot, is := o.Spec.(object.Snapshot); is {
					seen.Name, seen.Spec = snapshot.Path, nil // known by its link alone
				}
				if volume, is := o.Spec.(object.Volume); is {
					seen.Name, seen.Spec = "/dev/"+volume.Group+"/"+volume.Name, nil
				}
				world.Objects = append(world.Objects, seen)
			}
			if got := compile.UID(world); got != row.want {
				t.Errorf("UID %q, want %q", got, row.want)
			}
		})
	}
}
