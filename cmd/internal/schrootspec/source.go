package schrootspec

import (
	"path"
	"slices"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// source says where the root comes from.
func (t *translation) source() {
	s := &t.spec.Source
	switch t.Type() {
	case schrootconf.Plain:
		s.Plain = &spec.PlainSource{Path: t.path("directory")}
	case schrootconf.Directory:
		s.Directory = &spec.DirectorySource{Path: t.path("directory")}
	case schrootconf.File:
		s.File = &spec.FileSource{Path: t.path("file")}
	case schrootconf.Loopback:
		s.Loopback = &spec.LoopbackSource{Path: t.path("file")}
		s.Loopback.MountOptions, s.Loopback.FSType = t.mountOptions()
	case schrootconf.BlockDevice:
		s.BlockDevice = &spec.BlockDeviceSource{Path: t.path("device")}
		s.BlockDevice.MountOptions, s.BlockDevice.FSType = t.mountOptions()
	case schrootconf.LVMSnapshot:
		s.LVMSnapshot = t.volume()
		s.LVMSnapshot.MountOptions, s.LVMSnapshot.FSType = t.mountOptions()
	case schrootconf.BtrfsSnapshot:
		s.BtrfsSnapshot = &spec.BtrfsSnapshotSource{Subvolume: t.path("btrfs-source-subvolume"), SnapshotDirectory: t.path("btrfs-snapshot-directory")}
	case schrootconf.ZFSSnapshot:
		t.doc.Refused = append(t.doc.Refused, "type=zfs-snapshot: there is no such source; use a folder on the data set with an overlay")
	case schrootconf.Custom:
		t.doc.Refused = append(t.doc.Refused, "type=custom: the script that makes it is known to schroot alone; use a source that there is, and a hook for the rest")
	default:
		t.doc.Refused = append(t.doc.Refused, "type="+string(t.Type())+": schroot has no such type")
	}
	if k, _ := schrootconf.FindKey("location"); k.Of(t.Type()) {
		if l := path.Clean("/" + t.take("location")); l != "/" {
			s.Location = l
		}
	}
}

// mountOptions reads what is given to mount(8): options after -o, and a type
// after -t. Anything else there has no counterpart.
func (t *translation) mountOptions() (options []string, fsType string) {
	words := strings.Fields(t.take("mount-options"))
	for i := 0; i < len(words); i++ {
		value := func(short, long string) (string, bool) {
			for _, flag := range []string{short, long + "="} {
				if rest, is := strings.CutPrefix(words[i], flag); is && rest != "" {
					return rest, true
				}
			}
			if (words[i] == short || words[i] == long) && i+1 < len(words) {
				i++
				return words[i], true
			}
			return "", false
		}
		if list, is := value("-o", "--options"); is {
			options = append(options, schrootconf.Split(list)...)
		} else if name, is := value("-t", "--types"); is {
			fsType = name
		} else {
			t.doc.note(t.at("mount-options"), "mount-options: %s has no counterpart", words[i])
		}
	}
	options = slices.DeleteFunc(options, func(o string) bool {
		if o == "defaults" || o == "loop" {
			return true // they say what is done anyway
		}
		if o == "user_xattr" || o == "acl" {
			t.doc.note(t.at("mount-options"), "mount-options: %s is left out: file systems have it always, and some kernels no longer know the word", o)
			return true
		}
		return false
	})
	return options, fsType
}

// volume reads the names of a volume group and a logical volume from the path of
// its device, and what lvcreate(8) is told of the snapshot's size.
func (t *translation) volume() *spec.LVMSnapshotSource {
	l := new(spec.LVMSnapshotSource)
	device := t.path("device")
	if mapped, is := strings.CutPrefix(device, "/dev/mapper/"); is {
		l.VolumeGroup, l.LogicalVolume = mapperNames(mapped)
	} else {
		dir, name := path.Split(device)
		l.VolumeGroup, l.LogicalVolume = path.Base(dir), name
	}
	words := strings.Fields(t.take("lvm-snapshot-options"))
	var rest []string
	for i := 0; i < len(words); i++ {
		name, value, joined := strings.Cut(words[i], "=")
		if short := words[i]; !joined && len(short) > 2 && short[0] == '-' && short[1] != '-' {
			name, value, joined = short[:2], short[2:], true
		}
		// The value may be the next word.
		next := func() string {
			if !joined && i+1 < len(words) {
				i++
				return words[i]
			}
			return value
		}
		switch name {
		case "-L", "--size":
			l.Size = quantity(next())
		case "-l", "--extents":
			extents := next()
			if share, is := strings.CutSuffix(extents, "%ORIGIN"); is {
				l.Size = share + "%"
			} else {
				rest = append(rest, name+" "+extents)
			}
		case "-p", "--permission":
			l.ReadOnly = next() == "r"
		case "-c", "--chunksize":
			l.CreateOptions = append(l.CreateOptions, "--chunksize="+next())
		case "-i", "--stripes":
			l.CreateOptions = append(l.CreateOptions, "--stripes="+next())
		case "-I", "--stripesize":
			l.CreateOptions = append(l.CreateOptions, "--stripesize="+next())
		case "--alloc":
			l.CreateOptions = append(l.CreateOptions, "--alloc="+next())
		case "-Z", "--zero":
			l.CreateOptions = append(l.CreateOptions, "--zero="+next())
		default:
			rest = append(rest, words[i])
		}
	}
	if len(rest) > 0 {
		t.doc.note(t.at("lvm-snapshot-options"), "lvm-snapshot-options: %s has no counterpart", strings.Join(rest, " "))
		t.keep("lvm-snapshot-options")
	}
	return l
}

// mapperNames splits the name of a device of device-mapper: a dash parts the
// names, two stand for one.
func mapperNames(mapped string) (group, volume string) {
	const dash = "\x00"
	group, volume, _ = strings.Cut(strings.ReplaceAll(mapped, "--", dash), "-")
	return strings.ReplaceAll(group, dash, "-"), strings.ReplaceAll(volume, dash, "-")
}

// quantity turns a size of lvcreate(8) into one of a manifest: 2G, 2g and 2GiB
// all are 2Gi.
func quantity(size string) string {
	digits := strings.TrimRight(size, "bBsSkKmMgGtTpPeEi")
	unit := strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(size[len(digits):], "iB"), "b"))
	switch unit {
	case "K":
		return digits + "Ki"
	case "", "M":
		return digits + "Mi"
	case "B":
		return digits
	}
	return digits + unit + "i"
}
