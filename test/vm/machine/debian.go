package machine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Debian 12 with its own kernel is what the guest is made of, whatever the host.
const (
	suite    = "bookworm"
	kernel   = "linux-image-cloud-amd64"
	keyring  = "/usr/share/keyrings/debian-archive-keyring.gpg"
	mirror   = "http://deb.debian.org/debian"
	security = "http://deb.debian.org/debian-security"
)

// packages are what the tests use inside, beside what these depend on.
var packages = []string{
	// what every Debian has
	"base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip",
	"hostname", "libc-bin", "login", "mawk", "mount", "passwd", "procps", "psmisc", "sed", "tar", "util-linux", "bsdutils",
	// storage
	"btrfs-progs", "dmsetup", "e2fsprogs", "erofs-utils", "fdisk", "kmod", "lvm2", "squashfs-tools", "thin-provisioning-tools", "xfsprogs",
	// archives
	"bzip2", "lz4", "xz-utils", "zstd",
	// looking at things
	"acl", "attr", "libcap2-bin", "strace",
	// a root file system for tests
	"busybox-static",
}

// apt is an apt with folders and sources of its own. It asks nothing of the
// host's package database and changes nothing there; only how the net is reached
// is taken over from the host's configuration.
type apt struct{ folder string }

func (a apt) at(path string) string { return filepath.Join(a.folder, path) }

// prepare writes the configuration and fetches the lists.
func (a apt) prepare(ctx context.Context) error {
	for _, folder := range []string{"state/lists/partial", "cache/archives/partial", "etc/preferences.d"} {
		if err := os.MkdirAll(a.at(folder), 0o755); err != nil {
			return err
		}
	}
	network, err := output(ctx, nil, "apt-config", "dump", "Acquire")
	if err != nil {
		return err
	}
	var conf strings.Builder
	for line := range strings.Lines(string(network)) {
		// Only values: names of lists would be given twice.
		if strings.HasPrefix(line, "Acquire::") && !strings.HasPrefix(line, "Acquire::IndexTargets") && !strings.Contains(line, ":: ") {
			conf.WriteString(line)
		}
	}
	fmt.Fprintf(&conf, `
Dir::State %q;
Dir::State::status %q;
Dir::Cache %q;
Dir::Etc %q;
Dir::Etc::Parts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Get::Assume-Yes "true";
Acquire::Languages "none";
Acquire::Retries "3";
`, a.at("state"), a.at("state/status"), a.at("cache"), a.at("etc"))
	sources := fmt.Sprintf("deb [signed-by=%[1]s] %[2]s %[3]s main\ndeb [signed-by=%[1]s] %[4]s %[3]s-security main\n", keyring, mirror, suite, security)
	for name, text := range map[string]string{"apt.conf": conf.String(), "etc/sources.list": sources, "state/status": ""} {
		if err := os.WriteFile(a.at(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return a.get(ctx, "update")
}

func (a apt) env() []string { return append(os.Environ(), "APT_CONFIG="+a.at("apt.conf"), "LC_ALL=C") }

func (a apt) get(ctx context.Context, args ...string) error {
	_, err := output(ctx, a.env(), "apt-get", append([]string{"--quiet"}, args...)...)
	return err
}

// kernelPackage is the package that the kernel's name stands for today.
func (a apt) kernelPackage(ctx context.Context) (string, error) {
	text, err := output(ctx, a.env(), "apt-cache", "depends", kernel)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); found {
			return name, nil
		}
	}
	return "", fmt.Errorf("find what %s stands for: apt-cache names nothing", kernel)
}

// unpack fetches the packages and what they depend on, and the kernel without
// that, and unpacks all of it below the folder. No script of a package is run,
// so nobody needs to be root.
func (a apt) unpack(ctx context.Context, root string) error {
	if err := a.prepare(ctx); err != nil {
		return err
	}
	image, err := a.kernelPackage(ctx)
	if err != nil {
		return err
	}
	if err := a.get(ctx, append([]string{"install", "--download-only"}, packages...)...); err != nil {
		return err
	}
	download := exec.CommandContext(ctx, "apt-get", "--quiet", "download", image)
	download.Dir, download.Env = a.at("cache/archives"), a.env()
	if text, err := download.CombinedOutput(); err != nil {
		return fmt.Errorf("download %s: %w\n%s", image, err, text)
	}
	archives, err := filepath.Glob(a.at("cache/archives/*.deb"))
	if err != nil {
		return err
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} { // as Debian 12 has them
		if err := os.MkdirAll(filepath.Join(root, "usr", name), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for _, archive := range archives {
		if _, err := output(ctx, nil, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" -p --keep-directory-symlink`, "sh", archive, root); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(archive), err)
		}
	}
	return nil
}

// output runs a command; its words are in the error.
func output(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), words.Bytes())
	}
	return out.Bytes(), nil
}
