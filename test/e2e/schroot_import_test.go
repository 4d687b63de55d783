package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script is one of setup.d that notes what it is told, and changes the root.
const script = `#!/bin/sh
echo "$1 $2 $SESSION_ID $CHROOT_NAME $CHROOT_TYPE $CHROOT_UNION_TYPE $CHROOT_PROFILE $RT_FLAVOUR $AUTH_RUID $AUTH_RUSER $CHROOT_ALIAS" >>LOG
test "$CHROOT_PATH" = "$CHROOT_MOUNT_LOCATION" && test -d "$CHROOT_PATH/bin" || exit 1
test "$1" != setup-start || echo "$RT_FLAVOUR" >"$CHROOT_PATH/flavour"
`

// TestImportedFromSchroot imports a configuration of schroot's, begins a session
// of it by schroot's command, and has the daemon tell the same configuration.
func TestImportedFromSchroot(t *testing.T) {
	h := newHost(t)
	h.open()
	path, etc, log := h.furnished("root", "env"), h.base+"/schroot", h.base+"/ran"
	for name, text := range map[string]string{
		"chroot.d/odd": "[Odd.Root]\ntype=directory\ndirectory=" + path + "\nunion-type=overlay\nprofile=small\nroot-users=games\n" +
			"aliases=UNRELEASED-amd64\nrt.flavour=plain\nrt.base=b\nuser-modifiable-keys=rt.flavour\nroot-modifiable-keys=rt.base\nmessage-verbosity=quiet\n",
		"small/fstab":        "/proc /proc none rw,bind 0 0\ntmpfs /scratch tmpfs size=1m,mode=1777 0 0\n",
		"small/copyfiles":    "/etc/hostname\n",
		"small/nssdatabases": "passwd\ngroup\n",
		"setup.d/60mine":     strings.ReplaceAll(script, "LOG", log),
		"setup.d/10mount":    "#!/bin/sh\nexit 1\n", // schroot's own is not run
	} {
		must(t, os.MkdirAll(filepath.Dir(etc+"/"+name), 0o755))
		must(t, os.WriteFile(etc+"/"+name, []byte(text), 0o755))
	}
	h.start()
	said := h.do("import", "schroot", etc, "-o", h.manifests)
	for _, want := range []string{"profile/schroot-small written", "chroot/odd-root written", "1 Chroot and 1 Profile made"} {
		if !strings.Contains(said, want) {
			t.Errorf("import does not say %q:\n%s", want, said)
		}
	}
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "odd-root"); return code == 0 })

	const refused = "E: Configuration key ‘rt.base’ is not permitted to be modified.\nI: The key is not present in user-modifiable-keys\n"
	if out, errOut, code := h.schroot(games, "-b", "-c", "Odd.Root", "-o", "rt.base=x"); out != "" || errOut != refused || code != 1 {
		t.Errorf("a key that root alone may set: %q, %q, %d", out, errOut, code)
	}
	if out := h.silent(root, "-c", "Odd.Root", "-o", "rt.base=x", "-o", "rt.flavour=y=z", "-d", "/", "--", "cat", "/flavour"); out != "y=z\n" {
		t.Errorf("the key's other value: %q", out)
	}
	must(t, os.Remove(log))
	if id := h.silent(games, "-b", "-c", "UNRELEASED-amd64", "-n", "s", "-o", "rt.flavour=vanilla"); id != "s\n" {
		t.Fatalf("the session's id is %q", id)
	}
	inside := h.silent(games, "-r", "-c", "s", "-u", "root", "-d", "/", "--", "/bin/sh", "-c",
		"cat /flavour /etc/debian_chroot; test -s /etc/hostname && test -s /etc/passwd && test -d /proc/self && touch /scratch/x && echo furnished")
	if inside != "vanilla\nOdd.Root\nfurnished\n" {
		t.Errorf("inside: %q", inside)
	}
	if _, err := os.Stat(path + "/flavour"); err == nil {
		t.Error("the script wrote into the source")
	}
	config := h.silent(games, "--config", "-c", "Odd.Root")
	for _, want := range []string{"[Odd.Root]\n", "\naliases=UNRELEASED-amd64\n", "\nprofile=small\n", "\nsetup.fstab=small/fstab\n", "\nrt.flavour=plain\n", "\nuser-modifiable-keys=rt.flavour\n", "\nmessage-verbosity=quiet\n", "\nroot-users=games\n"} {
		if !strings.Contains(config, want) {
			t.Errorf("no %q in\n%s", want, config)
		}
	}
	if info := h.silent(games, "--info", "-c", "session:s"); !strings.Contains(info, "\n    rt.flavour                         vanilla\n") {
		t.Errorf("the session does not tell the key's other value:\n%s", info)
	}
	const exported = "\n[Odd.Root]\ntype=directory\naliases=UNRELEASED-amd64\ndirectory=DIRECTORY\nmessage-verbosity=quiet\nprofile=small\nroot-modifiable-keys=rt.base\nroot-users=games\nrt.base=b\nrt.flavour=plain\nunion-type=overlay\nuser-modifiable-keys=rt.flavour\n"
	if out := h.do("export", "schroot", "Odd.Root"); !strings.HasSuffix(out, strings.ReplaceAll(exported, "DIRECTORY", path)) {
		t.Errorf("exported:\n%s", out)
	}
	h.silent(games, "-e", "-c", "s")
	ran, err := os.ReadFile(log)
	must(t, err)
	const told = " ok s Odd.Root directory overlay small vanilla 5 games UNRELEASED-amd64\n"
	if want := "setup-start" + told + "setup-stop" + told; string(ran) != want {
		t.Errorf("the script was told\n%swant\n%s", ran, want)
	}
	h.kill()
}
