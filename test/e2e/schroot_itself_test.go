package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// original is schroot itself, in a table of mounts of its own where the test's
// configuration is its own.
type original struct {
	h      *host
	keeper *exec.Cmd
	end    func()
}

// original starts it; nil if it is not installed.
func (h *host) original(etc string) *original {
	h.t.Helper()
	version, err := exec.Command("/usr/bin/schroot", "--version").Output()
	if err != nil || !strings.HasPrefix(string(version), "schroot (Debian sbuild) ") {
		return nil
	}
	const place = `mount --bind "$1" /etc/schroot
		mount -t tmpfs -o mode=755 none /run; mkdir -p /run/schroot/mount; mkdir -m 1777 /run/lock
		mount -t tmpfs -o mode=755 none /var/lib/schroot
		mkdir -p /var/lib/schroot/session /var/lib/schroot/unpack /var/lib/schroot/union/overlay /var/lib/schroot/union/underlay
		echo there; exec cat`
	keeper := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-ec", place, "sh", etc)
	in, err := keeper.StdinPipe()
	must(h.t, err)
	out, err := keeper.StdoutPipe()
	must(h.t, err)
	must(h.t, keeper.Start())
	end := func() {
		_ = in.Close()    // which ends it, and its mounts with it
		_ = keeper.Wait() // by that, or before
	}
	h.t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "there\n" {
		h.t.Fatalf("the place for schroot: %q, %v", line, err)
	}
	return &original{h, keeper, end}
}

// schroot calls it as host.schroot calls the other.
func (o *original) schroot(ctx context.Context, c call) told {
	o.h.t.Helper()
	words := []string{"-t", strconv.Itoa(o.keeper.Process.Pid), "-m", "setpriv", "--reuid", strconv.Itoa(int(c.who.Uid)), "--regid", strconv.Itoa(int(c.who.Gid)), "--init-groups", "/usr/bin/schroot"}
	return o.h.answer(exec.CommandContext(ctx, "nsenter", append(words, c.words...)...), c)
}

// call is one of schroot, and told what comes of it.
type call struct {
	who   *syscall.Credential
	in    string
	env   []string
	words []string
}

type told struct {
	out, errOut string
	code        int
}

func (h *host) answer(cmd *exec.Cmd, c call) told {
	h.t.Helper()
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = io.Reader(strings.NewReader(c.in)), &o, &e
	cmd.Dir = "/"
	cmd.Env = append([]string{"LC_ALL=C", "TERM=dumb", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "COPPICE_RUN_DIR=" + h.run}, c.env...)
	err := cmd.Run()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return told{o.String(), e.String(), failed.ExitCode()}
	}
	must(h.t, err)
	return told{o.String(), e.String(), 0}
}

var (
	uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// elsewhere are folders, which lie where schroot's do not.
	elsewhere = regexp.MustCompile(`(?m)^(  Filesystem Union (Over|Under)lay Directory|union-(over|under)lay-directory=|  Btrfs Snapshot Name|btrfs-snapshot-name=).*\n`)
	// ours is in the environment of commands besides, and SHELL is one that is there.
	ours = regexp.MustCompile(`(?m)^(COPPICE_[A-Z]*|SHELL)=.*\n`)
	// whose are the words after a refusal, which tell more here.
	whose = regexp.MustCompile(`(?m)^(E: Access not authorised\n)(I: .*\n)+`)
)

// comparable takes out of what was told what cannot be the same, and what is not
// meant to be.
func (h *host) comparable(a told) told {
	own := regexp.MustCompile(regexp.QuoteMeta(h.run) + `/sessions/([a-z0-9-]+)/root`)
	for _, text := range []*string{&a.out, &a.errOut} {
		*text = own.ReplaceAllString(*text, "/var/run/schroot/mount/$1")
		*text = strings.ReplaceAll(*text, h.base+"/own.", h.base+"/root.")
		*text = elsewhere.ReplaceAllString(*text, "")
		*text = uuid.ReplaceAllString(*text, "UUID")
		*text = ours.ReplaceAllString(*text, "")
		*text = whose.ReplaceAllString(*text, "$1")
		*text = strings.ReplaceAll(*text, "/usr/bin/schroot --help", "schroot --help")
		for words, others := range differ {
			*text = strings.ReplaceAll(*text, words, others)
		}
	}
	return a
}

// differ are the words of schroot's that are others here.
var differ = map[string]string{
	"E: s1: Failed to lock chroot: /var/lib/schroot/session/s1: Failed to write session file: File exists\n": "E: s1: There is a session of that name already\n",
	"E: The specified chroots are not defined in ‘/etc/schroot/schroot.conf’\n":                              "E: The specified chroots are not defined\nI: Name a session with --chroot, or use --all-sessions\n",
}

const twins = `[twin]
type=directory
description=Two of a kind
directory=DIRECTORY
union-type=overlay
profile=small
aliases=default,second
users=daemon
root-users=games
source-root-users=root
rt.flavour=vanilla
user-modifiable-keys=rt.flavour
[quiet]
type=directory
directory=DIRECTORY
union-type=overlay
profile=small
users=games
preserve-environment=true
command-prefix=env,PREFIX=1
shell=/bin/sh
[packed]
type=file
file=DIRECTORY.tar.gz
profile=small
root-users=games
source-root-users=games
[imaged]
type=loopback
file=DIRECTORY.ext4
mount-options=-o noatime
union-type=overlay
profile=small
root-users=games
source-root-users=games
[shot]
type=btrfs-snapshot
btrfs-source-subvolume=BASE/pool/small
btrfs-snapshot-directory=BASE/pool
profile=small
root-users=games
source-root-users=games
[Shared.One]
type=directory
directory=DIRECTORY
profile=small
users=games
`

// TestLikeSchrootItself makes the same calls of schroot itself and of the command of
// this repository, with the same configuration, and wants the same answers.
func TestLikeSchrootItself(t *testing.T) {
	if _, err := os.Stat("/etc/schroot/setup.d"); err != nil {
		t.Skip("schroot is not installed")
	}
	h := newHost(t)
	h.open()
	etc := h.base + "/schroot"
	config := strings.NewReplacer("DIRECTORY", h.furnished("root", "env", "pwd", "kill", "head", "sort"), "BASE", h.base).Replace(twins)
	for name, text := range map[string]string{
		"schroot.conf": "", "chroot.d/twins": config, "small/copyfiles": "", "small/nssdatabases": "passwd\ngroup\n",
		"small/fstab": "/proc /proc none rw,bind 0 0\n",
	} {
		must(t, os.MkdirAll(filepath.Dir(etc+"/"+name), 0o755))
		must(t, os.WriteFile(etc+"/"+name, []byte(text), 0o644))
	}
	h.shell("cp -r /etc/schroot/setup.d schroot/; tar -C root -czf root.tar.gz .; cp root.tar.gz own.tar.gz; truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4; cp root.ext4 own.ext4")
	h.pool()
	itself := h.original(etc)
	if itself == nil {
		t.Skip("schroot is not installed")
	}
	h.start()
	h.do("import", "schroot", etc, "-o", h.manifests)
	h.shell("sed -i 's,/root\\.\\(tar.gz\\|ext4\\),/own.\\1,' m/*") // each writes to its own
	h.until("there are the chroots", func() bool { out, _, _ := h.schroot(root, "-l"); return strings.Contains(out, "chroot:twin\n") })

	as := func(who *syscall.Credential, words ...string) call { return call{who: who, words: words} }
	ctx, cancel := context.WithTimeout(t.Context(), 8*moment)
	defer cancel()
	for _, c := range slices.Concat([]call{
		as(games, "--list"), as(games, "-l", "--all"), as(games, "-l", "--all-source-chroots"), as(games, "-l", "--all-sessions"), as(games, "-l", "--exclude-aliases", "--all-chroots"),
		as(games, "--info"), as(games, "--config"), as(games, "--location"), as(games, "-i", "-c", "second"), as(games, "--config", "-c", "source:default"), as(games, "--location", "-c", "twin"),
		as(games, "-i", "--all"), as(games, "-l", "-c", "nosuch"), as(games, "-l", "-c", "quiet", "-c", "twin"), as(games, "--config", "-c", "Shared.One"),
	}, []call{
		as(games, "-b", "-c", "second", "-n", "s1"),
		as(games, "-i", "-c", "session:s1"), as(games, "--config", "-c", "session:s1"), as(games, "--location", "-c", "session:s1"), as(games, "-l", "--all"),
		as(games, "-r", "-c", "s1", "-d", "/", "--", "sh", "-c", "id -u; pwd; exit 7"),
		as(games, "-r", "-c", "s1", "-d", "/", "-u", "root", "--", "sh", "-c", "id -u; env | sort"),
		as(games, "-r", "-c", "s1", "-d", "/", "--", "sh", "-c", "env | sort"),
		{who: games, env: []string{"A=b", "LD_X=1", "HOME=/nowhere", "DEBIAN_FRONTEND=none"}, words: []string{"-p", "-r", "-q", "-c", "session:s1", "-d", "/tmp", "--", "sh", "-c", "env | sort"}},
		{who: games, env: []string{"A=b", "HOME=/nowhere"}, words: []string{"-p", "-r", "-c", "s1", "-d", "/", "-u", "root", "--", "sh", "-c", "env | sort"}},
		{who: games, in: "one\ntwo\n", words: []string{"-d", "/", "-c", "s1", "--run-session", "-q", "-u", "root", "-p", "--", "sh", "-c", "cat > /file; wc -l < /file"}},
		as(games, "-r", "-c", "s1", "-d", "/", "--", "cat", "/file"),
		as(games, "-r", "-c", "s1", "-d", "/etc", "pwd"), as(games, "-r", "-c", "s1", "pwd"),
		as(games, "-r", "-c", "s1", "-d", "/no/where", "--", "pwd"),
		as(games, "-r", "-c", "s1", "-d", "/", "--", "nosuch"), as(games, "-r", "-c", "s1", "-d", "/", "--", "/etc/motd"),
		as(games, "-r", "-c", "s1", "-d", "/", "--", "sh", "-c", "kill -9 $$"), as(games, "-r", "-c", "s1", "-d", "/", "--", "sh", "-c", "kill -TERM $$"),
		as(games, "-r", "-v", "-c", "s1", "-d", "/", "--", "pwd"),
		as(daemon, "-r", "-c", "s1", "-d", "/", "--", "pwd"), as(daemon, "-e", "-c", "s1"), as(nobody, "-r", "-c", "s1", "--", "pwd"),
		as(root, "-r", "-c", "s1", "-d", "/", "--", "id", "-u"), as(root, "-r", "-c", "s1", "-d", "/", "-u", "games", "--", "id", "-u"),
		as(games, "-b", "-c", "twin", "-n", "s1"), as(games, "-b", "-c", "twin", "-n", "not/a name"),
		as(games, "--recover-session", "-c", "s1"),
		as(games, "-e", "-c", "s1"), as(games, "-e", "-c", "s1"), as(games, "-r", "-c", "s1", "--", "pwd"),
	}, []call{
		as(games, "-b", "-c", "packed", "-n", "p1"), as(games, "-i", "-c", "session:p1"), as(games, "--config", "-c", "session:p1"),
		as(games, "-r", "-c", "p1", "-d", "/", "--", "sh", "-c", "echo x > /tmp/x; cat /tmp/x"), as(games, "-e", "-c", "p1"),
		as(games, "-b", "-c", "imaged", "-n", "i1"), as(games, "-i", "-c", "session:i1"), as(games, "--config", "-c", "session:i1"), as(games, "-e", "-c", "i1"),
		as(games, "-b", "-c", "source:imaged", "-n", "i2"), as(games, "-i", "-c", "session:i2"), as(games, "--config", "-c", "session:i2"), as(games, "-e", "-c", "i2"),
		as(games, "-b", "-c", "shot", "-n", "b1"), as(games, "-i", "-c", "session:b1"), as(games, "--config", "-c", "session:b1"), as(games, "-e", "-c", "b1"),
		as(games, "-b", "-c", "source:shot", "-n", "b2"), as(games, "-i", "-c", "session:b2"), as(games, "--config", "-c", "session:b2"), as(games, "-e", "-c", "b2"),
		as(root, "-b", "-c", "source:twin", "-n", "d2"), as(games, "-i", "-c", "session:d2"), as(games, "--config", "-c", "session:d2"), as(root, "-e", "-c", "d2"),
		as(games, "-b", "-c", "Shared.One", "-n", "d3"), as(games, "-i", "-c", "session:d3"), as(games, "--config", "-c", "session:d3"), as(games, "-e", "-c", "d3"),
		as(games, "-b", "-c", "source:packed", "-n", "p2"), as(games, "-i", "-c", "session:p2"), as(games, "--config", "-c", "session:p2"),
		as(games, "-r", "-c", "p2", "-u", "root", "-d", "/", "--", "sh", "-c", "echo new > /etc/new"), as(games, "-e", "-c", "p2"),
		as(games, "-c", "packed", "-d", "/", "--", "cat", "/etc/new"),
	}, []call{
		as(games, "--", "sh", "-c", "exit 3"), as(games, "-d", "/", "--", "sh", "-c", "env | sort"), as(games, "-d", "/", "-u", "root", "--", "id", "-u"),
		as(daemon, "-c", "twin", "-d", "/", "--", "id", "-u"), as(nobody, "-c", "twin", "--", "id"), as(games, "-c", "nosuch", "--", "id"),
		{who: games, env: []string{"A=b", "LD_X=1"}, words: []string{"-c", "quiet", "-d", "/", "sh", "-c", "env | sort"}},
		as(games, "-c", "Shared.One", "-d", "/", "--", "cat", "/etc/motd"),
		as(root, "-a", "-q", "-d", "/", "--exclude-aliases", "--", "pwd"),
		{who: games, in: "pwd; echo $0\n", words: []string{"-c", "quiet", "-d", "/tmp"}},
		as(games, "-c", "twin", "-u", "nosuch", "--", "id"), as(games, "-c", "twin", "-u", "1", "--", "id"),
		as(games, "-c", "foo:twin", "-l"), as(games, "-l", "-c", "a", "-c", "b"), as(games, "--bogus"), as(games, "-c"), as(games, "-b"), as(games, "-r"), as(games, "-e"),
		as(games, "-b", "-c", "twin", "-c", "quiet"), as(games, "-b", "-r", "-c", "twin"), as(games, "-n", "x", "-c", "twin", "--", "pwd"),
		as(games, "-c", "twin", "-o", "rt.flavour=x", "-d", "/", "--", "pwd"), as(games, "-c", "twin", "-o", "rt.other=x", "-d", "/", "--", "pwd"), as(root, "-c", "twin", "-o", "rt.other=x", "--", "pwd"), as(games, "-c", "twin", "-o", "novalue", "-d", "/", "--", "pwd"),
		as(games, "-c", "source:twin", "--", "id"), as(root, "-c", "source:twin", "-d", "/", "--", "id", "-u"),
		as(games, "-l", "--all-sessions"), as(games, "--location", "-c", "session:s1"), as(root, "-e", "--all-sessions"),
	}) {
		want, got := h.comparable(itself.schroot(ctx, c)), h.comparable(h.answer(h.front(ctx, c.who, c.words...), c))
		if got != want {
			t.Errorf("as %d: schroot %q\n got %d, %q\n     %q\nwant %d, %q\n     %q", c.who.Uid, c.words, got.code, got.out, got.errOut, want.code, want.out, want.errOut)
		}
	}
	itself.end()
	h.shell("rm m/*")
	h.until("no session is left", func() bool { return h.silent(root, "-l", "--all-sessions") == "" })
	h.shell("umount pool")
	h.nothingLeft()
}

// TestSchrootEndsAll ends what schroot itself cannot: a session whose script fails at
// the end, one whose record is lost, and one of a snapshot with subvolumes in it. Of
// all of them nothing is left.
func TestSchrootEndsAll(t *testing.T) {
	h := newHost(t)
	h.open()
	h.furnished("root")
	h.pool()
	etc := h.base + "/schroot"
	for name, text := range map[string]string{
		"schroot.conf": "[shot]\ntype=btrfs-snapshot\nbtrfs-source-subvolume=" + h.base + "/pool/small\nbtrfs-snapshot-directory=" + h.base + "/pool\nprofile=small\n" +
			"[dir]\ntype=directory\ndirectory=" + h.base + "/root\nunion-type=overlay\nprofile=small\n",
		"small/copyfiles": "", "small/nssdatabases": "", "small/fstab": "/proc /proc none rw,bind 0 0\n",
		"setup.d/60fails": "#!/bin/sh\ntest \"$1\" != setup-stop\n",
	} {
		must(t, os.MkdirAll(filepath.Dir(etc+"/"+name), 0o755))
		must(t, os.WriteFile(etc+"/"+name, []byte(text), 0o755))
	}
	h.start()
	h.do("import", "schroot", etc, "-o", h.manifests)
	h.until("there are the chroots", func() bool { out, _, _ := h.schroot(root, "-l"); return strings.Contains(out, "chroot:shot\n") })
	for _, s := range []struct{ name, chroot string }{{"nested", "shot"}, {"lost", "dir"}} {
		h.silent(root, "-b", "-c", s.chroot, "-n", s.name)
	}
	place := strings.TrimSpace(h.silent(root, "--location", "-c", "session:nested"))
	h.shell("btrfs -q subvolume create " + place + "/one >/dev/null; btrfs -q subvolume create " + place + "/one/two >/dev/null; touch " + place + "/one/two/file")
	h.kill()
	h.shell("rm state/sessions/lost/record.json")
	h.start()
	for _, name := range []string{"nested", "lost"} {
		h.silent(root, "-e", "-c", name)
		if out, errOut, code := h.schroot(root, "--location", "-c", "session:"+name); out != "" || code != 1 {
			t.Errorf("the place of %s, which has ended: %q, %q, %d", name, out, errOut, code)
		}
	}
	if shots := h.shell("btrfs subvolume list pool | wc -l"); shots != "2\n" {
		t.Errorf("%s subvolumes are left of 2", shots)
	}
	h.shell("rm m/*; umount pool")
	h.nothingLeft()
}
