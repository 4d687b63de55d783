package schrootspec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/internal/schrootspec"
	"coppice.dev/spec"
)

var update = flag.Bool("update", false, "write what is made into testdata")

// folder is how the folder of the test is called in what is compared.
const folder = "/etc/schroot"

// TestImport compares problems and manifests to the letter, and holds that every
// manifest that is not a comment can be used.
func TestImport(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			configuration := unpacked(t, archive)
			got := imported(t, configuration)
			if *update {
				pack(t, name, archive, got)
				return
			}
			var want []byte
			for _, f := range archive.Files {
				if f.Name == "manifests" {
					want = f.Data
				}
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("manifests (-want +got):\n%s", diff)
			}
			documents, problems := spec.Parse("manifests", got)
			for _, p := range problems {
				t.Error(p)
			}
			if len(documents) == 0 {
				t.Error("nothing can be used")
			}
		})
	}
}

// unpacked writes an archive's files into a folder and reads them.
func unpacked(t *testing.T, archive *txtar.Archive) schrootconf.Configuration {
	t.Helper()
	root := t.TempDir()
	for _, f := range archive.Files {
		path, is := strings.CutPrefix(f.Name, "etc/")
		if !is {
			continue
		}
		path = filepath.Join(root, path)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(f.Name, "etc/setup.d/") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, mode); err != nil {
			t.Fatal(err)
		}
	}
	configuration, err := schrootconf.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	return configuration
}

// imported returns the problems as comments, and the manifests.
func imported(t *testing.T, configuration schrootconf.Configuration) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range configuration.Problems {
		out.WriteString("# " + p.String() + "\n")
	}
	for _, d := range schrootspec.Import(configuration, configuration.Profile) {
		out.WriteString("---\n")
		out.Write(d.Text())
	}
	return bytes.ReplaceAll(out.Bytes(), []byte(configuration.Folder), []byte(folder))
}

func pack(t *testing.T, name string, archive *txtar.Archive, manifests []byte) {
	t.Helper()
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "manifests" })
	archive.Files = append(archive.Files, txtar.File{Name: "manifests", Data: manifests})
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// FuzzImport holds that whatever is made of a text reads as manifests: no value
// ends a comment or a field, and what cannot be used is a comment.
func FuzzImport(f *testing.F) {
	f.Add([]byte("[a]\ntype=directory\ndirectory=/a\nunion-type=overlay\nrt.x=1\ndescription=# - {a: [b\nbogus=\x1b[0m\n"), []byte("/proc /proc none rw,bind\n/x\\040y /z none rbind,ro,nofail\n"))
	f.Add([]byte("[A]\ntype=file\nfile=/a\naliases=a,B,c\nsetup.services=x y\nusers=-,\"\n[a]\ntype=lvm-snapshot\ndevice=/dev/mapper/a--b-c\nlvm-snapshot-options=-L 2g\n"), []byte("tmpfs /t tmpfs size=1k\n"))
	f.Fuzz(func(t *testing.T, text, fstab []byte) {
		if len(text)+len(fstab) > 1<<14 {
			return
		}
		var c schrootconf.Configuration
		c.Chroots, c.Problems = schrootconf.Parse("f", text)
		c.Scripts = []string{"/etc/schroot/setup.d/50x"}
		var profile schrootconf.Profile
		profile.Mounts, profile.Problems = schrootconf.ParseFstab("fstab", fstab)
		profile.Copied, profile.Databases = schrootconf.ParseLines("files", fstab), schrootconf.ParseLines("nss", text)
		var out bytes.Buffer
		usable := 0
		for _, d := range schrootspec.Import(c, func(schrootconf.Chroot) schrootconf.Profile { return profile }) {
			out.WriteString("---\n")
			out.Write(d.Text())
			if len(d.Refused) == 0 {
				usable++
			}
			if chroot, is := d.Object.(*spec.Chroot); is && len(d.Refused) == 0 {
				var back bytes.Buffer
				if err := schrootconf.WriteGiven(&back, "", []schrootconf.Chroot{schrootspec.Export(chroot)}); err != nil {
					t.Fatal(err)
				}
				if sections, _ := schrootconf.Parse("back", back.Bytes()); len(sections) != 1 {
					t.Errorf("exported as %d sections:\n%s", len(sections), back.Bytes())
				}
			}
		}
		documents, problems := spec.Parse("manifests", out.Bytes())
		for _, p := range problems {
			t.Errorf("%s in\n%s", p, out.Bytes())
		}
		if len(documents) != usable {
			t.Errorf("%d documents are read, %d were made:\n%s", len(documents), usable, out.Bytes())
		}
	})
}
