package keeper

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// uid and gid are nobody in particular.
const uid, gid = 54321, 54322

// session makes a root file system in a mount namespace of its own: the host's
// programs, and /proc, /dev and /dev/pts of its own.
func session(t testing.TB, without ...string) *os.File {
	t.Helper()
	root := t.TempDir()
	var namespace *os.File
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
				return err
			}
			proc, err := os.Open("/proc/thread-self/")
			if err != nil {
				return err
			}
			defer proc.Close()
			if err := build(root, without); err != nil {
				return err
			}
			fd, err := unix.Openat(int(proc.Fd()), "ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			namespace = os.NewFile(uintptr(fd), "namespace")
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Fatalf("make a session: %v", err)
	}
	t.Cleanup(func() { namespace.Close() })
	return namespace
}

func build(root string, without []string) error {
	mount := func(source, target, kind string, flags uintptr, data string) error {
		if slices.Contains(without, target) {
			return nil
		}
		target = filepath.Join(root, target)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(source, target, kind, flags, data); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"tmpfs", "/", "tmpfs", 0, "mode=755"},
		{"/usr", "/usr", "", unix.MS_BIND, ""},
		{"proc", "/proc", "proc", 0, ""},
		{"tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755"},
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID, "newinstance,ptmxmode=0666,gid=5,mode=0600"},
	} {
		if err := mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return err
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		path string
		mode os.FileMode
		uid  int
	}{{"tmp", 0o777 | os.ModeSticky, 0}, {"home", 0o700, uid}, {"secret", 0o700, 0}, {"secret/deep", 0o755, 0}, {"open", 0o755, 0}} {
		path := filepath.Join(root, f.path)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, f.mode), os.Chown(path, f.uid, f.uid)); err != nil {
			return err
		}
	}
	for name, mode := range map[string]os.FileMode{"open/mine": 0o700, "open/broken": 0o755, "open/text": 0o755} {
		text := map[string]string{"open/broken": "#!/nowhere\n", "open/text": "words\n"}[name]
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), mode); err != nil {
			return err
		}
	}
	null := filepath.Join(root, "dev/null")
	if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return err
	}
	if err := os.Chmod(null, 0o666); err != nil {
		return err
	}
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	return unix.Unmount(".", unix.MNT_DETACH)
}

var groups atomic.Int32

// group makes a cgroup for a lease; "" if this machine has no cgroup v2.
func group(t testing.TB) string {
	t.Helper()
	var top string
	for _, path := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(path, "cgroup.procs")); err == nil {
			var fs unix.Statfs_t
			if unix.Statfs(path, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
				top = path
			}
		}
	}
	if top == "" {
		t.Log("no cgroup v2 on this machine")
		return ""
	}
	parent := filepath.Join(top, fmt.Sprintf("coppice-test-keeper-%d-%d", os.Getpid(), groups.Add(1)))
	lease := filepath.Join(parent, "s", "lease-1")
	if err := os.MkdirAll(lease, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(parent, "cgroup.kill"), []byte("1"), 0)
		eventually(t, "the cgroups go", func() bool {
			for _, path := range []string{lease, filepath.Dir(lease), filepath.Join(parent, GroupName), parent} {
				_ = unix.Rmdir(path)
			}
			_, err := os.Stat(parent)
			return errors.Is(err, os.ErrNotExist)
		})
	})
	return lease
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}

// client is the other end of a keeper's connection.
type client struct {
	*wire.Conn
	keeper *os.Process
}

// pair returns the two ends of a connection.
func pair(t testing.TB) (ours *wire.Conn, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	end := os.NewFile(uintptr(fds[0]), "client")
	defer end.Close()
	c, err := net.FileConn(end)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewConn(c.(*net.UnixConn)), os.NewFile(uintptr(fds[1]), "keeper")
}

// start starts a keeper.
func start(t testing.TB, namespace *os.File, o Order) *client {
	t.Helper()
	return startBy(t, Start, namespace, o)
}

func startBy(t testing.TB, by func(conn, namespace *os.File, o Order) (*os.Process, error), namespace *os.File, o Order) *client {
	t.Helper()
	ours, theirs := pair(t)
	defer theirs.Close()
	if o.Env == nil {
		o.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home"}
	}
	if o.Session == "" {
		o.Session, o.Lease = "s", "1"
	}
	process, err := by(theirs, namespace, o)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Conn: ours, keeper: process}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = process.Wait()
	}()
	t.Cleanup(func() {
		c.Close()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("the keeper of %q has not ended", o.Args)
			_ = process.Kill()
		}
	})
	return c
}

// begin sends the standard files, and waits until the command runs.
func (c *client) begin(t testing.TB, files map[int]*os.File) (wire.Frame, []*os.File) {
	t.Helper()
	var f wire.Frame
	var list []*os.File
	f.Files = []int{}
	for i := range 3 {
		if files[i] != nil {
			f.Files = append(f.Files, i)
			list = append(list, files[i])
		}
	}
	if err := c.Send(f, list...); err != nil {
		t.Fatal(err)
	}
	return c.next(t)
}

func (c *client) next(t testing.TB) (wire.Frame, []*os.File) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	f, files, err := c.Receive()
	if err != nil {
		t.Fatalf("receive from the keeper: %v", err)
	}
	return f, files
}

// output runs a command to its end; it returns what it wrote and how it ended.
func output(t testing.TB, namespace *os.File, o Order) (string, wire.Frame) {
	t.Helper()
	return start(t, namespace, o).output(t)
}

func (c *client) output(t testing.TB) (string, wire.Frame) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, _ := c.begin(t, map[int]*os.File{1: w, 2: w})
	w.Close()
	if f.Started == nil {
		return "", f
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	f, _ = c.next(t)
	return string(text), f
}

// person is an order to run a shell's script as the user.
func person(script string) Order {
	return Order{Args: []string{"sh", "-c", script}, UID: uid, GID: gid, Groups: []int{7, 54399}}
}

func said(t testing.TB, namespace *os.File, o Order) string {
	t.Helper()
	text, f := output(t, namespace, o)
	if f.Exited == nil || f.Exited.Code != 0 {
		t.Fatalf("%q: %+v, saying %q", o.Args, f, text)
	}
	return strings.TrimSpace(text)
}

func TestUser(t *testing.T) {
	s := session(t)
	got := said(t, s, person("id -u; id -g; id -G; id -ru"))
	if want := "54321\n54322\n54322 7 54399\n54321"; got != want {
		t.Errorf("id says %q, want %q", got, want)
	}
	if got := said(t, s, Order{Args: []string{"id", "-u"}}); got != "0" {
		t.Errorf("root is %q", got)
	}
	if got := said(t, s, Order{Args: []string{"id", "-G"}, UID: uid, GID: gid}); got != "54322" {
		t.Errorf("without groups there are %q", got)
	}
}

func TestShells(t *testing.T) {
	s := session(t)
	for _, c := range []struct {
		name  string
		order Order
		want  string // an error if it has a space
	}{
		{"one that is not there is passed over", Order{Shells: []string{"/bin/zsh", "/bin/sh", "/bin/true"}, Args: []string{"printenv", "SHELL"}}, "/bin/sh"},
		{"so is one that may not be run", Order{Shells: []string{"/open/mine", "/bin/sh"}, Args: []string{"printenv", "SHELL"}}, "/bin/sh"},
		{"a SHELL that is set stays", Order{Shells: []string{"/bin/sh"}, Env: []string{"PATH=/bin", "SHELL=/x"}, Args: []string{"printenv", "SHELL"}}, "/x"},
		{"it is run", Order{Shells: []string{"/none", "/bin/pwd"}, AsShell: true}, "/"},
		{"it is run by a prefix", Order{Shells: []string{"/none", "/bin/pwd"}, AsShell: true, Args: []string{"echo"}}, "/bin/pwd"},
		{"there is none", Order{Shells: []string{"/none", "/neither"}, AsShell: true}, "/neither: there is no such file in session s"},
	} {
		c.order.UID, c.order.GID = uid, gid
		if c.order.Env == nil {
			c.order.Env = []string{"PATH=/bin"}
		}
		text, f := output(t, s, c.order)
		got := strings.TrimSpace(text)
		if f.Failed != nil {
			got = f.Failed.Message
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFolders(t *testing.T) {
	s := session(t)
	for _, c := range []struct {
		folders []string
		strict  bool
		uid     int
		want    string // an error if it has a space
	}{
		{nil, false, uid, "/"},
		{[]string{"/open", "/home"}, false, uid, "/open"},
		{[]string{"/none", "/home"}, false, uid, "/home"},
		{[]string{"/secret/deep", "/home"}, false, uid, "/home"}, // root would see it
		{[]string{"/secret/deep"}, false, 0, "/secret/deep"},
		{[]string{"/secret"}, false, uid, "/"},
		{[]string{"open", "/home"}, false, uid, "/home"},
		{[]string{"/open/text"}, false, uid, "/"},
		{[]string{"/secret/deep"}, true, uid, "cannot change to folder /secret/deep in session s: permission denied"},
		{[]string{"/none"}, true, uid, "cannot change to folder /none in session s: there is none"},
		{[]string{"/open"}, true, uid, "/open"},
	} {
		text, f := output(t, s, Order{Args: []string{"pwd"}, UID: c.uid, GID: c.uid, Folders: c.folders, Strict: c.strict})
		got := strings.TrimSpace(text)
		if f.Failed != nil {
			got = f.Failed.Message
		}
		if got != c.want {
			t.Errorf("folders %v, strict %v, user %d: %q, want %q", c.folders, c.strict, c.uid, got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	s := session(t)
	for _, c := range []struct {
		args          []string
		path          string
		notFound, not bool
		message       string
	}{
		{[]string{"nothing-like-it"}, "/bin", true, false, "nothing-like-it: command not found in session s"},
		{[]string{"/nothing"}, "/bin", true, false, "/nothing: there is no such file in session s"},
		{[]string{"/bin/sh/x"}, "/bin", true, false, "/bin/sh/x: there is no such file in session s"},
		{[]string{"/secret/deep/x"}, "/bin", false, true, "/secret/deep/x: permission denied"},
		{[]string{"mine"}, "/bin:/open", false, true, "/open/mine: permission denied"},
		{[]string{"/open"}, "/bin", false, true, "/open: it is a folder"},
		{[]string{"open"}, "/:/bin", false, true, "//open: it is a folder"},
		{[]string{"/open/broken"}, "", false, true, "/open/broken: the program that it is to be run by, named in its first line or its head, is not in session s"},
		{[]string{"/open/text"}, "", false, true, "/open/text: it is no program, or one for another machine; a script begins with #! and the path of its interpreter"},
		{[]string{"true"}, "", true, false, "true: command not found in session s"},
		{[]string{"true"}, "/secret/deep:/none:/bin", false, false, ""},
		{[]string{"true"}, ":/open", true, false, "true: command not found in session s"},
	} {
		_, f := output(t, s, Order{Args: c.args, UID: uid, GID: gid, Env: []string{"PATH=" + c.path}})
		if f.Failed == nil {
			if c.message != "" || f.Exited.Code != 0 {
				t.Errorf("%v in %q: %+v", c.args, c.path, f.Exited)
			}
			continue
		}
		if f.Failed.NotFound != c.notFound || f.Failed.NotExecutable != c.not || f.Failed.Message != c.message {
			t.Errorf("%v in %q: %+v", c.args, c.path, f.Failed)
		}
	}
}

func TestSurroundings(t *testing.T) {
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 40, Max: unix.RLIM_INFINITY}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	}()
	if err := unix.Setpriority(unix.PRIO_PROCESS, os.Getpid(), -3); err != nil { // of one thread
		t.Log("cannot be less nice here:", err)
	}
	defer func() { _ = unix.Setpriority(unix.PRIO_PROCESS, os.Getpid(), 0) }()
	t.Setenv("SECRET", "of the daemon")
	s := session(t)
	if got := said(t, s, Order{Args: []string{"env"}, Env: []string{"PATH=/bin", "A=b c"}, UID: uid, GID: gid}); got != "PATH=/bin\nA=b c" {
		t.Errorf("the environment is %q", got)
	}
	for script, want := range map[string]string{
		"umask":                "0022",
		"echo /proc/self/fd/*": "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3", // the last is the shell's, which reads the folder
		"ulimit -n; ulimit -f": "1024\nunlimited",
		"grep -E '^(CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs|SigBlk|SigIgn):' /proc/self/status | tr -d '\\t '": "SigBlk:0000000000000000\nSigIgn:0000000000000000\nCapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:0",
		"cat /proc/self/oom_score_adj":                                      "0",
		"readlink /proc/self/ns/mnt | grep -c mnt":                          "1",
		"cut -d' ' -f5,6 /proc/$$/stat | tr ' ' '\\n' | uniq | grep -cx $$": "1", // a session and a process group of its own
		"readlink /proc/self/fd/0":                                          "/dev/null",
		"ps -o nice= -p $$ | tr -d ' '":                                     "0",
	} {
		if got := said(t, s, person(script)); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	o := person("grep -c 'NoNewPrivs:.1' /proc/self/status")
	o.NoNewPrivileges = true
	if got := said(t, s, o); got != "1" {
		t.Errorf("no_new_privs is not set: %q", got)
	}
	o = person("uname -m")
	o.Personality = "linux32"
	if got, native := said(t, s, o), said(t, s, person("uname -m")); got == native && runtime.GOARCH == "amd64" {
		t.Errorf("the machine is %q, with linux32 and without", got)
	}
	if got := said(t, s, Order{Args: []string{"/bin/bash", "-c", "echo $0; shopt login_shell"}, Login: true}); !strings.HasPrefix(got, "-bash") {
		t.Errorf("the login shell is called %q", got)
	}
}

func TestResources(t *testing.T) {
	s := session(t)
	o := person("ulimit -n; ulimit -Hn; ulimit -c; ulimit -v; ulimit -t")
	o.Resources = map[string]Resource{"nofile": {100, 200}, "core": {0, 0}, "as": {512 << 20, 1 << 30}, "cpu": {7, 8}}
	if got := said(t, s, o); got != "100\n200\n0\n524288\n7" {
		t.Errorf("the limits are %q", got)
	}
	o.Resources = map[string]Resource{"patience": {1, 1}}
	if _, f := output(t, s, o); f.Failed == nil || f.Failed.Reason != "Invalid" {
		t.Errorf("an unknown limit: %+v", f)
	}
}

func TestHostLimits(t *testing.T) {
	//nolint:dupword // as the kernel writes it
	const text = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max core file size        0                    unlimited            bytes     
Max open files            1073741816           1073741816           files     
Max locked memory         unlimited            unlimited            bytes     
Max processes             63204                x                    processes 
Max something new         1                    2                    things    
`
	want := map[string]Resource{
		"cpu": {Unlimited, Unlimited}, "core": {0, Unlimited}, "nofile": {1024, 524288}, "memlock": {8 << 20, 8 << 20},
	}
	if diff := cmp.Diff(want, hostLimits(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What a manifest may name is what there is.
func TestNameableResources(t *testing.T) {
	for name := range resources {
		text := "apiVersion: coppice.dev/v1alpha1\nkind: Session\nmetadata: {name: s}\nspec: {chrootRef: {name: c}, limits: {rlimits: {" + name + ": {soft: 1}}}}\n"
		if _, problems := spec.Parse("test.yaml", []byte(text)); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestEnds(t *testing.T) {
	s := session(t)
	for script, want := range map[string]wire.Exited{
		"exit 0":        {},
		"exit 7":        {Code: 7},
		"exit 255":      {Code: 255},
		"kill -TERM $$": {Code: 143, Signal: 15},
		"kill -KILL $$": {Code: 137, Signal: 9},
		"kill -PIPE $$": {Code: 141, Signal: 13},
	} {
		_, f := output(t, s, person(script))
		if f.Exited == nil || *f.Exited != want {
			t.Errorf("%s: %+v, want %+v", script, f.Exited, want)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	s := session(t)
	folder, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	fd, err := unix.Open("/etc/passwd", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := os.NewFile(uintptr(fd), "path")
	defer path.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, c := range map[string]struct {
		frame wire.Frame
		files []*os.File
	}{
		"a folder":       {wire.Frame{Files: []int{0}}, []*os.File{folder}},
		"a path":         {wire.Frame{Files: []int{1}}, []*os.File{path}},
		"twice":          {wire.Frame{Files: []int{1, 1}}, []*os.File{null, null}},
		"no such":        {wire.Frame{Files: []int{3}}, []*os.File{null}},
		"negative":       {wire.Frame{Files: []int{-1}}, []*os.File{null}},
		"too few":        {wire.Frame{Files: []int{0, 1}}, []*os.File{null}},
		"not told of":    {wire.Frame{}, []*os.File{null}},
		"something else": {wire.Frame{Signal: &wire.Signal{Number: 9}}, nil},
	} {
		c1 := start(t, s, person("true"))
		if err := c1.Send(c.frame, c.files...); err != nil {
			t.Fatal(err)
		}
		if f, _ := c1.next(t); f.Failed == nil || f.Failed.Reason != "Invalid" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
