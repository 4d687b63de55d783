package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"coppice.dev/status"
)

// front is a call of schroot.
func (h *host) front(ctx context.Context, who *syscall.Credential, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, bin+"/schroot", words...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "LANGUAGE=C", "COPPICE_RUN_DIR=" + h.run}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return cmd
}

// schroot calls it and returns what it said on both outputs, and its exit code.
func (h *host) schroot(who *syscall.Credential, words ...string) (out, errOut string, code int) {
	h.t.Helper()
	return h.schrootReading(who, nil, words...)
}

func (h *host) schrootReading(who *syscall.Credential, in io.Reader, words ...string) (out, errOut string, code int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*moment)
	defer cancel()
	cmd := h.front(ctx, who, words...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &o, &e
	err := cmd.Run()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return o.String(), e.String(), failed.ExitCode()
	}
	must(h.t, err)
	return o.String(), e.String(), 0
}

// silent calls schroot, which must succeed and say nothing but its answer.
func (h *host) silent(who *syscall.Credential, words ...string) string {
	h.t.Helper()
	out, errOut, code := h.schroot(who, words...)
	if code != 0 || errOut != "" {
		h.t.Fatalf("schroot %s: code %d, and it said %q", strings.Join(words, " "), code, errOut)
	}
	return out
}

// chroots has the chroots that the tests of schroot use: bookworm is for games,
// who may be root, and daemon.
func (h *host) chroots() {
	h.t.Helper()
	h.open()
	path := h.furnished("root", "env", "pwd", "kill", "head")
	h.start()
	h.write("bookworm.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: bookworm-amd64-sbuild}\nspec:\n"+
		"  aliases: [bookworm, default]\n  source: {directory: {path: "+path+"}}\n"+
		"  access: {users: [daemon], rootUsers: [games]}\n")
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "bookworm-amd64-sbuild"); return code == 0 })
}

// TestSchrootAsSbuild makes the calls that sbuild makes, as an unprivileged user.
func TestSchrootAsSbuild(t *testing.T) {
	h := newHost(t)
	h.chroots()
	info := h.silent(games, "--info")
	for _, want := range []string{"  ─── Chroot ───\n  Name    ", "\n\n  ─── Source ───\n", "Aliases                              bookworm default\n"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in\n%s", want, info)
		}
	}
	id := strings.TrimSuffix(h.silent(games, "-c", "chroot:bookworm-amd64-sbuild", "--begin-session"), "\n")
	if !regexp.MustCompile(`^bookworm-amd64-sbuild-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Fatalf("the session's id is %q", id)
	}
	info = h.silent(games, "--info", "--chroot", "session:"+id)
	for _, want := range []string{`^  ─── Session ───\n  Name +` + id + `\n`, `\n  Session Purged +true\n`, `\n  Root Users +games\n`, `\n  Original Chroot Name +bookworm-amd64-sbuild\n`} {
		if !regexp.MustCompile(want).MatchString(info) {
			t.Errorf("no %s in\n%s", want, info)
		}
	}
	path := regexp.MustCompile(`\n  Path +(/.*)\n`).FindStringSubmatch(info)
	if path == nil {
		t.Fatalf("no path in\n%s", info)
	}
	seen := exec.Command("/bin/sh", "-c", `test -d "$1" && test -d "$1/proc/self" && test -e "$1/dev/null"`, "sh", path[1])
	seen.SysProcAttr = &syscall.SysProcAttr{Credential: games}
	if out, err := seen.CombinedOutput(); err != nil {
		t.Errorf("the session is not seen at %s: %v %s", path[1], err, out)
	}
	inside := func(in io.Reader, user string, command ...string) (string, string, int) {
		return h.schrootReading(games, in, append([]string{"-d", "/", "-c", id, "--run-session", "-q", "-u", user, "-p", "--"}, command...)...)
	}
	if out, _, code := inside(nil, "root", "id", "-u"); out != "0\n" || code != 0 {
		t.Errorf("root inside: %q, %d", out, code)
	}
	if out, _, code := inside(nil, "games", "/bin/sh", "-c", "id -u; pwd; exit 7"); out != "5\n/\n" || code != 7 {
		t.Errorf("oneself inside: %q, %d", out, code)
	}
	blob := make([]byte, 3<<20)
	for i := range blob {
		blob[i] = byte(i * 7)
	}
	if _, errOut, code := inside(bytes.NewReader(blob), "root", "/bin/sh", "-c", "cat > /blob"); code != 0 || errOut != "" {
		t.Errorf("writing by standard input: %d %s", code, errOut)
	}
	if out, _, _ := inside(nil, "root", "cat", "/blob"); out != string(blob) {
		t.Errorf("%d bytes came back of %d", len(out), len(blob))
	}
	// Who writes by the path writes into the session, mounts and all.
	must(t, os.WriteFile(path[1]+"/by-path", []byte("outside\n"), 0o644))
	if out, _, _ := inside(nil, "root", "cat", "/by-path"); out != "outside\n" {
		t.Errorf("written by path: %q", out)
	}
	if _, err := os.Stat(h.base + "/root/blob"); err == nil {
		t.Error("a write inside reached the chroot")
	}
	if out := h.silent(games, "-l", "--all-sessions"); out != "session:"+id+"\n" {
		t.Errorf("sessions: %q", out)
	}
	for _, other := range []*syscall.Credential{daemon, nobody} {
		for _, words := range [][]string{{"-r", "-c", id, "--", "id"}, {"-e", "-c", id}} {
			if out, errOut, code := h.schroot(other, words...); code != 1 || out != "" || !strings.HasPrefix(errOut, "E: Access not authorised\nI: ") {
				t.Errorf("user %d, %v: %q, %q, %d", other.Uid, words, out, errOut, code)
			}
		}
	}
	if out := h.silent(games, "-c", id, "--end-session"); out != "" {
		t.Errorf("the end said %q", out)
	}
	if _, err := os.Stat(path[1]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
	h.remove("bookworm.yaml")
	h.nothingLeft()
}

// TestSchrootAsAutopkgtest begins and ends sessions of one name, which is free at
// once, and reads the configuration as autopkgtest does.
func TestSchrootAsAutopkgtest(t *testing.T) {
	h := newHost(t)
	h.chroots()
	keys := map[string]string{}
	for line := range strings.Lines(h.silent(games, "--config", "--chroot", "bookworm")) {
		if key, value, is := strings.Cut(strings.TrimSpace(line), "="); is {
			keys[key] = value
		}
	}
	if keys["type"] != "directory" || keys["union-type"] != "overlay" || keys["root-users"] != "games" || keys["root-groups"] != "" || keys["directory"] != h.base+"/root" {
		t.Errorf("configuration: %v", keys)
	}
	for range 3 {
		if id := h.silent(games, "--quiet", "--begin-session", "--chroot", "bookworm", "--session-name", "adt_Test.1"); id != "adt_Test.1\n" {
			t.Fatalf("id %q", id)
		}
		location := strings.TrimSuffix(h.silent(games, "--location", "--chroot", "session:adt_Test.1"), "\n")
		if !strings.HasPrefix(location, h.run+"/sessions/adt-test-1-") {
			t.Errorf("location %q", location)
		}
		out := h.silent(games, "--run-session", "--quiet", "--directory=/", "--chroot", "adt_Test.1", "--user=root", "--", "sh", "-ec", "test ! -e /mark; echo x > /mark; cat /mark")
		if out != "x\n" {
			t.Errorf("said %q", out)
		}
		h.silent(games, "--quiet", "--end-session", "--chroot", "adt_Test.1")
	}
	if out, errOut, code := h.schroot(games, "--location", "--chroot", "session:adt_Test.1"); code != 1 || out != "" || errOut != "E: session:adt_Test.1: Chroot not found\n" {
		t.Errorf("the location of what is gone: %q, %q, %d", out, errOut, code)
	}
	h.remove("bookworm.yaml")
	h.nothingLeft()
}

// TestSchrootAsPiuparts uses a name longer than Coppice's own, and the path as root.
func TestSchrootAsPiuparts(t *testing.T) {
	h := newHost(t)
	h.chroots()
	name := "bookworm-amd64-sbuild-9f1d2c3b-1234-11ef-8d4e-0242ac120002-piuparts"
	id := strings.TrimSuffix(h.silent(root, "--begin-session", "--chroot", "bookworm", "--session-name", name), "\n")
	if id != name {
		t.Fatalf("id %q", id)
	}
	location := strings.TrimSuffix(h.silent(root, "--chroot", "session:"+id, "--location"), "\n")
	if text, err := os.ReadFile(filepath.Join(location, "etc/motd")); err != nil || string(text) != "small\n" {
		t.Errorf("read by path: %q, %v", text, err)
	}
	out := h.silent(root, "--preserve-environment", "--run-session", "--chroot", "session:"+id, "--directory", "/", "-u", "root", "--", "sh", "-c", "echo $LC_ALL $SCHROOT_SESSION_ID")
	if out != "C "+id+"\n" {
		t.Errorf("the environment is not kept: %q", out)
	}
	if out := h.silent(root, "--all-sessions", "--list"); out != "session:"+name+"\n" {
		t.Errorf("sessions: %q", out)
	}
	h.silent(root, "--end-session", "--chroot", "session:"+id)
	h.remove("bookworm.yaml")
	h.nothingLeft()
}

// TestSchrootAutomatic runs commands in sessions of their own, which leave nothing
// however they end.
func TestSchrootAutomatic(t *testing.T) {
	h := newHost(t)
	h.chroots()
	for _, row := range []struct {
		who   *syscall.Credential
		words []string
		code  int
		out   string
		says  string // all of standard error
	}{
		{games, []string{"--", "id", "-u"}, 0, "5\n", ""},
		{games, []string{"-c", "default", "-u", "root", "--", "id", "-u"}, 0, "0\n", ""},
		{daemon, []string{"-c", "bookworm", "--", "id", "-u"}, 0, "1\n", ""},
		{games, []string{"-c", "bookworm", "--", "sh", "-c", "exit 42"}, 42, "", ""},
		{games, []string{"-c", "bookworm", "--", "sh", "-c", "kill -9 $$"}, 1, "", "E: Child terminated by signal ‘Killed’\n"},
		{games, []string{"-c", "bookworm", "--", "nosuch"}, 1, "", "E: Failed to execute “nosuch”: No such file or directory\n"},
		{games, []string{"-c", "bookworm", "--", "/etc/motd"}, 1, "", "E: Failed to execute “/etc/motd”: Permission denied\n"},
		{games, []string{"-c", "bookworm", "-d", "/no", "--", "pwd"}, 1, "", "E: Failed to change to directory ‘/no’: No such file or directory\nI: The directory does not exist inside the chroot.  Use the --directory option to run the command in a different directory.\n"},
		{games, []string{"-c", "bookworm", "-d", "/etc", "pwd"}, 0, "/etc\n", ""},
		{games, []string{"-c", "bookworm", "-u", "1001", "--", "id"}, 1, "", "E: User ‘1001’ not found\n"},
		{games, []string{"-c", "bookworm", "-c", "default", "--", "pwd"}, 0, "/\n/\n", ""},
		{games, []string{"-c", "bookworm", "-o", "a.b=c", "--", "pwd"}, 1, "", "E: Configuration key ‘a.b’ is not permitted to be modified.\nI: The key is not present in user-modifiable-keys\n"},
		{games, []string{"-c", "none", "--", "pwd"}, 1, "", "E: none: Chroot not found\n"},
		{games, []string{"-c", "foo:bar", "-l"}, 1, "", "E: foo: No such namespace\n"},
		{games, []string{"-r", "-c", "chroot:bookworm", "--", "pwd"}, 1, "", "E: chroot:bookworm: Chroot not found\n"},
		{games, []string{"-l", "-c", "a", "-c", "bookworm", "-c", "b"}, 1, "", "E: a, b: Chroots not found\n"},
		{games, []string{"-e", "-c", "none"}, 1, "", "E: none: Chroot not found\n"},
		{games, []string{"--bogus"}, 1, "", "E: unrecognised option '--bogus'\n"},
		{root, []string{"-c", "source:bookworm", "--", "sh", "-c", "echo new > /etc/new"}, 0, "", ""},
		{games, []string{"-c", "bookworm", "--", "cat", "/etc/new"}, 0, "new\n", ""},
		{games, []string{"--isolate-network", "-c", "bookworm", "--", "sh", "-c", "cat /proc/net/dev | head -n 4 | cat > /dev/null"}, 0, "", ""},
	} {
		out, errOut, code := h.schroot(row.who, row.words...)
		if out != row.out || errOut != row.says || code != row.code {
			t.Errorf("schroot %q: %q, %q, %d; want %q, %q, %d", row.words, out, errOut, code, row.out, row.says, row.code)
		}
	}
	for _, row := range []struct {
		who   *syscall.Credential
		words []string
	}{
		{daemon, []string{"-c", "bookworm", "-u", "root", "--", "id"}},
		{nobody, []string{"-c", "bookworm", "--", "id"}},
		{games, []string{"-c", "source:bookworm", "--", "id"}},
	} {
		if out, errOut, code := h.schroot(row.who, row.words...); out != "" || code != 1 || !strings.HasPrefix(errOut, "E: Access not authorised\n") {
			t.Errorf("user %d, %v: %q, %q, %d", row.who.Uid, row.words, out, errOut, code)
		}
	}
	// A login shell runs where it can, and says so.
	out, errOut, code := h.schrootReading(games, strings.NewReader("pwd\n"), "-c", "bookworm")
	if out != "/\n" || code != 0 || errOut != "" {
		t.Errorf("a login shell: %q, %q, %d", out, errOut, code)
	}
	// Killed without a word, it takes its session along.
	cmd := h.front(t.Context(), games, "-c", "bookworm", "--", "sleep", "1000")
	must(t, cmd.Start())
	h.until("the command runs", func() bool {
		out, _ := h.try("ps")
		return strings.Contains(out, "sleep 1000")
	})
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // by that signal
	h.until("its session is gone", func() bool { return h.silent(games, "-l", "--all-sessions") == "" })
	h.remove("bookworm.yaml")
	h.nothingLeft()
}

// TestSchrootBetter holds what schroot 1.6.13 does wrong, and this does not.
func TestSchrootBetter(t *testing.T) {
	patient(t)
	h := newHost(t)
	h.chroots()
	image := "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: NAME}\nspec: {source: {SOURCE}}\n"
	more := func(name, source string) {
		h.write(name+".yaml", strings.NewReplacer("NAME", name, "SOURCE", source).Replace(image))
		h.until("there is "+name, func() bool { _, code := h.try("get", "chroot", name); return code == 0 })
	}
	h.shell("truncate -s 32M root.ext4; mkfs.ext4 -q -d root root.ext4")
	more("absent", "directory: {path: "+h.base+"/absent}")
	must(t, os.WriteFile(h.base+"/text", []byte(strings.Repeat("this is no archive\n", 1000)), 0o644))
	more("broken", "file: {path: "+h.base+"/text}")
	more("image", "loopback: {path: "+h.base+"/root.ext4}")
	more("asis", "plain: {path: "+h.base+"/root}")

	// A begin that fails says so, prints no id, and leaves nothing.
	for _, name := range []string{"absent", "broken"} {
		out, errOut, code := h.schroot(root, "-b", "-c", name, "-n", "s1")
		if out != "" || code != 1 || !strings.HasSuffix(errOut, "\nE: s1: Chroot setup failed: stage=setup-start\n") {
			t.Errorf("begin of %s: %q, %q, %d", name, out, errOut, code)
		}
	}
	if out := h.silent(root, "-l", "--all-sessions"); out != "" {
		t.Errorf("failed begins left %q", out)
	}
	// A plain chroot is a chroot, and no session that never ends.
	if out := h.silent(root, "-l", "-c", "asis"); out != "asis\n" {
		t.Errorf("a plain chroot: %q", out)
	}

	// Many begin at the same time; the image has one device, which is read-only.
	var all sync.WaitGroup
	ids := make(chan string, 6)
	for range cap(ids) {
		all.Go(func() {
			out, errOut, code := h.schroot(root, "-b", "-c", "image")
			if code != 0 {
				t.Errorf("begin: %d, %q", code, errOut)
			}
			ids <- strings.TrimSpace(out)
		})
	}
	all.Wait()
	if n := h.loops(); n != 1 {
		t.Errorf("%d loop devices for one image", n)
	}
	// A mistake in one manifest is nobody else's.
	h.write("mistake.yaml", "kind: [")
	if out := h.silent(root, "-r", "--all-sessions", "--", "cat", "/etc/motd"); out != strings.Repeat("small\n", cap(ids)) {
		t.Errorf("run in all sessions: %q", out)
	}
	h.remove("mistake.yaml")

	// Two end the same session: it is ended, for both.
	id := <-ids
	codes := make(chan int, 2)
	for range cap(codes) {
		all.Go(func() {
			_, errOut, code := h.schroot(root, "-e", "-c", id)
			if code != 0 && errOut != "E: "+id+": Chroot not found\n" { // who came late is told
				t.Errorf("end: %d, %q", code, errOut)
			}
			codes <- code
		})
	}
	all.Wait()
	if first, second := <-codes, <-codes; first != 0 && second != 0 {
		t.Error("nobody ended it")
	}
	// Whose command is ended with its session is told why.
	id = <-ids
	cmd := h.front(t.Context(), root, "-r", "-c", id, "--", "sleep", "1000")
	var said bytes.Buffer
	cmd.Stderr = &said
	must(t, cmd.Start())
	h.is(id, "in use", func(s status.Status) bool { return len(s.Leases) > 0 })
	h.silent(root, "-e", "-c", id)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), id+" was ended, and the command with it") {
		t.Errorf("the command ended with %v, and said %q", err, said.String())
	}
	// Those that heed no TERM do not add up.
	id = <-ids
	for range 3 {
		h.silent(root, "-r", "-c", id, "--", "sh", "-c", "trap '' TERM; while :; do sleep 1; done >/dev/null 2>&1 &")
	}
	began := time.Now()
	h.silent(root, "-e", "-c", id)
	if took := time.Since(began); took > 3*moment/10 {
		t.Errorf("it took %s to end what heeds no TERM", took)
	}
	// The daemon's death takes no session, and none is forgotten.
	h.kill()
	if _, errOut, code := h.schroot(root, "-l"); code != 1 || !strings.HasPrefix(errOut, "E: coppiced does not answer on "+h.run+"/coppiced.sock\nI: ") {
		t.Errorf("without the daemon: %q, %d", errOut, code)
	}
	h.start()
	h.silent(root, "--recover-session", "--all-sessions")
	if out := h.silent(root, "-r", "--all-sessions", "--", "cat", "/etc/motd"); strings.Count(out, "small") != len(ids) {
		t.Errorf("after the daemon's death: %q", out)
	}
	h.silent(root, "-e", "-f", "--all-sessions")
	if out := h.silent(root, "-l", "--all-sessions"); out != "" {
		t.Errorf("left: %q", out)
	}
	h.shell("rm m/*")
	h.nothingLeft()
}

// TestSchrootSourceOfArchive changes an archive by a session of its source, which
// is packed when that ends.
func TestSchrootSourceOfArchive(t *testing.T) {
	h := newHost(t)
	h.open()
	h.root("root")
	h.shell("tar -C root -c . | gzip > root.tar.gz")
	h.start()
	h.write("c.yaml", "apiVersion: coppice.dev/v1alpha1\nkind: Chroot\nmetadata: {name: deb}\nspec: {source: {file: {path: "+h.base+"/root.tar.gz}}}\n")
	h.until("there is the chroot", func() bool { _, code := h.try("get", "chroot", "deb"); return code == 0 })
	if out := h.silent(root, "-l", "--all-source-chroots"); out != "source:deb\n" {
		t.Errorf("sources: %q", out)
	}
	id := strings.TrimSpace(h.silent(root, "-c", "source:deb", "--begin-session"))
	if out := h.silent(root, "-i", "-c", "session:"+id); !strings.Contains(out, "Session Purged         true\n") || !strings.Contains(out, "File Repack            true\n") {
		t.Errorf("info:\n%s", out)
	}
	h.silent(root, "-c", id, "--run-session", "-d", "/", "--", "sh", "-c", "echo one > /etc/new")
	h.silent(root, "-c", id, "--end-session")
	if out := h.silent(root, "-c", "deb", "--", "cat", "/etc/new"); out != "one\n" {
		t.Errorf("the archive holds %q", out)
	}
	if _, _, code := h.schroot(root, "-c", "source:deb", "--", "sh", "-c", "echo two > /etc/new; exit 3"); code != 3 {
		t.Errorf("code %d", code)
	}
	if out := h.silent(root, "-c", "deb", "--", "cat", "/etc/new"); out != "two\n" {
		t.Errorf("the archive holds %q", out)
	}
	h.remove("c.yaml")
	h.nothingLeft()
}
