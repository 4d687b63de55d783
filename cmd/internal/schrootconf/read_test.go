package schrootconf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice.dev/cmd/internal/schrootconf"
)

func write(t *testing.T, root string, mode os.FileMode, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
}

// TestRead holds that names are those that schroot takes, and that a file with
// something wrong keeps nothing of the others from being read.
func TestRead(t *testing.T) {
	root := t.TempDir()
	write(t, root, 0o644, map[string]string{
		"schroot.conf":         "[main]\ndirectory=/m\naliases=two\n",
		"chroot.d/a.conf":      "[a]\ndirectory=/a\naliases=main,two,b\n",
		"chroot.d/B_1":         "[b]\ndirectory=/b\n[main]\ndirectory=/other\n",
		"chroot.d/x~":          "[x]\ndirectory=/x\n",
		"chroot.d/.x":          "[x]\ndirectory=/x\n",
		"chroot.d/x.dpkg-dist": "[x]\ndirectory=/x\n",
		"chroot.d/broken":      "nonsense\n[c]\ndirectory=/c\n",
		"setup.d/50plain":      "",
	})
	write(t, root, 0o646, map[string]string{"chroot.d/open": "[open]\ndirectory=/o\n"})
	write(t, root, 0o755, map[string]string{"chroot.d/folder/x": "", "setup.d/20b": "", "setup.d/10a": "", "setup.d/10a~": ""})
	if os.Getuid() == 0 {
		write(t, root, 0o644, map[string]string{"chroot.d/strange": "[strange]\ndirectory=/s\n"})
		if err := os.Chown(filepath.Join(root, "chroot.d/strange"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	c, err := schrootconf.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	var chroots, problems, scripts []string
	for _, chroot := range c.Chroots {
		chroots = append(chroots, chroot.Name+" "+chroot.Text("directory"))
	}
	short := strings.NewReplacer(root+"/", "").Replace
	for _, p := range c.Problems {
		refused := "W "
		if p.Refused {
			refused = "E "
		}
		problems = append(problems, refused+short(p.String()))
	}
	for _, s := range c.Scripts {
		scripts = append(scripts, short(s))
	}
	const name = "schroot leaves it out because of its name; letters, digits, dots, dashes and underscores may be in it, with a letter or digit first"
	if diff := cmp.Diff([]string{"main /m", "b /b", "a /a", "c /c", "open /o", "strange /s"}, chroots); diff != "" && os.Getuid() == 0 {
		t.Errorf("chroots (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"setup.d/10a", "setup.d/20b"}, scripts); diff != "" {
		t.Errorf("scripts (-want +got):\n%s", diff)
	}
	want := []string{
		"W chroot.d/.x: " + name,
		`E chroot.d/broken:1: invalid line "nonsense": want key=value`,
		"W chroot.d/folder: it is not a regular file",
		"E chroot.d/open: others may write to it; chmod o-w it",
		"E chroot.d/strange: it does not belong to root; chown root it",
		"W chroot.d/x.dpkg-dist: " + name,
		"W chroot.d/x~: " + name,
		"E chroot.d/B_1:3: [main] a chroot of that name is in schroot.conf:1 already",
		`W chroot.d/a.conf:3: [a] aliases: alias "main" is already a name of that in schroot.conf:1`,
		`W chroot.d/a.conf:3: [a] aliases: alias "two" is already a name of that in schroot.conf:3`,
		`W chroot.d/a.conf:3: [a] aliases: alias "b" is already a name of that in chroot.d/B_1:1`,
		"W setup.d/10a~: schroot does not run it because of its name",
		"W setup.d/50plain: schroot does not run it: it is no executable file",
	}
	if diff := cmp.Diff(want, problems); diff != "" && os.Getuid() == 0 {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestNothingToRead(t *testing.T) {
	if _, err := schrootconf.Read(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := schrootconf.Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "neither schroot.conf nor chroot.d is in") {
		t.Errorf("a folder of something else: %v", err)
	}
}
