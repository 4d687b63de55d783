package socket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/controller/socket/keeper"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
	"coppice.dev/status"
)

func TestMain(m *testing.M) {
	// The HTTP server waits half a second before it closes on somebody it refused.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// machine is a host in memory.
type machine struct {
	mu        sync.Mutex
	rooms     map[string]spec.Admitted
	asked     map[string]*spec.Session
	suspended map[string]string
	leases    []string // "taken a", "started a", "released a"
	// onTake is called when a lease is taken.
	onTake func()
}

func (m *machine) Open(session string) (Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, is := m.rooms[session]
	if !is {
		return Room{}, fs.ErrNotExist
	}
	namespace, err := os.Open("/proc/self/ns/mnt")
	return Room{Admitted: a, Namespace: namespace}, err
}

func (m *machine) note(what, session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases = append(m.leases, what+" "+session)
}

// noted returns what became of leases, in order.
func (m *machine) noted() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.leases, ", ")
}

func (m *machine) Take(session string, t Taker) (Lease, error) {
	m.note("taken", session)
	if t.PID != 4711 {
		return Lease{}, fmt.Errorf("taken for process %d", t.PID)
	}
	if m.onTake != nil {
		m.onTake()
	}
	return Lease{ID: "one"}, nil
}
func (m *machine) Started(session string, _ Lease, _ int) error {
	m.note("started", session)
	return nil
}
func (m *machine) Release(session string, _ Lease) error { m.note("released", session); return nil }

func (m *machine) Chroot(name string) (*spec.Chroot, bool) {
	if name != "c" && name != "alias" {
		return nil, false
	}
	c := &spec.Chroot{}
	c.Name, c.Spec.Access = "c", &spec.Access{Users: []string{"me"}}
	return c, true
}

func (m *machine) Chroots() []*spec.Chroot {
	c, _ := m.Chroot("c")
	return []*spec.Chroot{c}
}

func (m *machine) Known(session string) (*spec.Session, *spec.Admitted) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, is := m.rooms[session]; is {
		return m.asked[session], &a
	}
	return m.asked[session], nil
}

func (m *machine) Owner(session string) (*int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, is := m.rooms[session]; is {
		return a.Owner, true
	}
	if s, is := m.asked[session]; is {
		return s.Owner(), true
	}
	return nil, false
}

func (m *machine) Ask(s *spec.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, is := m.asked[s.Name]; is {
		return fs.ErrExist
	}
	m.asked[s.Name] = s
	return nil
}

func (m *machine) Identify(pid int) (string, error) {
	if pid != 4711 {
		return "", fs.ErrNotExist
	}
	return "4711 1 boot", nil
}

func (m *machine) Save(session string) (int, error) {
	m.note("saved", session)
	return 1, nil
}

func (m *machine) Reconcile(session string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, is := m.asked[session]
	return is
}

func (m *machine) Suspend(session, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspended[session] = why
	return nil
}

func (m *machine) Resume(session string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.suspended, session)
	return nil
}

func (m *machine) Foresee(_ context.Context, s Supposition) ([]wire.Forecast, error) {
	var items []wire.Forecast
	for _, o := range s.Given {
		items = append(items, wire.Forecast{Session: o.GetName()})
	}
	for _, k := range s.Without {
		items = append(items, wire.Forecast{Session: k.Name, Outcome: "Deleted"})
	}
	return items, nil
}

func (m *machine) Withdraw(session string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, is := m.asked[session]
	delete(m.asked, session)
	return is, nil
}

// census has whoever asks be that person.
type census struct{ name string }

func (c census) ByID(_ context.Context, uid int) (Account, error) {
	return Account{UID: uid, Name: c.name, Home: "/home/" + c.name}, nil
}

func (c census) ByName(_ context.Context, name string) (Account, error) {
	if name == "root" {
		return Account{Name: "root", Home: "/root"}, nil
	}
	return Account{}, ErrNobody
}
func (census) GroupName(context.Context, int) string { return "" }

// desk is a server that is being served, and a client.
type desk struct {
	*testing.T
	machine *machine
	server  *Server
	socket  string
	client  *http.Client
	uid     atomic.Int64 // of whoever connects now
	mu      sync.Mutex
	log     []string
	orders  []keeper.Order
}

// newDesk serves as long as the test runs. Whoever connects is taken for the
// user of that name and number.
func newDesk(t *testing.T, name string, uid int) *desk {
	t.Helper()
	dir := t.TempDir()
	d := &desk{T: t, machine: &machine{rooms: map[string]spec.Admitted{}, asked: map[string]*spec.Session{}, suspended: map[string]string{}}, socket: filepath.Join(dir, "s")}
	d.server = &Server{Host: d.machine, Status: dir + "/status", People: census{name}}
	d.server.Log = funcr.New(func(_, args string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.log = append(d.log, args)
	}, funcr.Options{})
	d.server.Keep = func(conn, _ *os.File, order keeper.Order) (*os.Process, error) {
		d.mu.Lock()
		d.orders = append(d.orders, order)
		d.mu.Unlock()
		cmd := exec.Command("/bin/true")
		cmd.ExtraFiles = []*os.File{conn}
		err := cmd.Start()
		return cmd.Process, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: d.socket})
	if err != nil {
		t.Fatal(err)
	}
	d.uid.Store(int64(uid))
	d.server.identify = func(*net.UnixConn) (peer, error) {
		uid := int(d.uid.Load())
		return peer{pid: 4711, uid: uid, gid: uid}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.server.Serve(ctx, l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.socket)
	}}
	d.client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return d
}

// ask sends a request and returns the code and the answer.
func (d *desk) ask(method, path, body string) (int, string) {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, "http://x"+wire.Version+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		d.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// put writes a session's status.
func (d *desk) put(name string, phase status.Phase, ready metav1.ConditionStatus) {
	d.Helper()
	d.tell(spec.KindSession, name, phase, ready)
}

func (d *desk) tell(kind, name string, phase status.Phase, ready metav1.ConditionStatus) {
	d.Helper()
	w, err := status.New(d.server.Status)
	if err != nil {
		d.Fatal(err)
	}
	f := status.File{TypeMeta: metav1.TypeMeta{APIVersion: spec.APIVersion, Kind: kind}, Metadata: status.Metadata{Name: name}}
	f.Status.Phase = phase
	f.Status.Conditions = []metav1.Condition{{Type: status.ConditionReady, Status: ready, Reason: "R", Message: "a reason"}}
	if phase == status.Suspended {
		f.Status.Conditions = append(f.Status.Conditions, metav1.Condition{Type: status.ConditionSuspended, Status: "True", Message: "root looks at it"})
	}
	if err := w.Put(f); err != nil {
		d.Fatal(err)
	}
}

func TestRequests(t *testing.T) {
	const alice = 1000
	d := newDesk(t, "me", alice)
	theirs := 1001
	d.machine.rooms["theirs"] = spec.Admitted{Name: "theirs", Owner: &theirs}
	d.machine.rooms["manifest"] = spec.Admitted{Name: "manifest"}
	d.put("theirs", status.Ready, metav1.ConditionTrue)
	d.tell(spec.KindChroot, "broken", status.Failed, metav1.ConditionFalse)
	for _, row := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/sessions", "", 200, `"name":"theirs"`},
		{"GET", "/profiles", "", 200, `"items":[]`},
		{"GET", "/sessions/theirs", "", 200, `"phase":"Ready"`},
		{"GET", "/sessions/none", "", 404, "NotFound"},
		{"GET", "/sessions/..%2F..%2Fetc%2Fpasswd", "", 404, "NotFound"},
		{"GET", "/houses", "", 404, "there are sessions, chroots"},
		{"GET", "/", "", 404, ""},
		{"PUT", "/sessions/theirs", "", 404, "no such path"},
		{"POST", "/sessions", `{"chroot":"c","name":"mine"}`, 201, `"name":"mine"`},
		{"POST", "/sessions", `{"chroot":"alias"}`, 201, `"name":"c-`},
		{"POST", "/sessions", `{"chroot":"c","name":"bound","bound":true,"retainOnFailure":true,"ttl":"1h","idleTimeout":"1m"}`, 201, `"name":"bound"`},
		{"POST", "/sessions", `{"chroot":"c","idleTimeout":"-1m"}`, 400, "must be longer than nothing"},
		{"POST", "/sessions", `{"chroot":"c","name":"mine"}`, 409, "AlreadyExists"},
		{"POST", "/sessions", `{"chroot":"c","name":"theirs"}`, 409, "AlreadyExists"},
		{"POST", "/sessions", `{"chroot":"c","name":"../x"}`, 400, "lower-case letters"},
		{"POST", "/sessions", `{"chroot":"none"}`, 404, "coppice get chroots"},
		{"POST", "/sessions", `{"chroot":"broken"}`, 409, "chroot broken cannot be used: a reason"},
		{"POST", "/sessions", `{}`, 400, "name a chroot"},
		{"POST", "/sessions", `{"chroot":"c","folder":"/"}`, 400, "not both"},
		{"POST", "/sessions", `{"folder":"/"}`, 403, "only root"},
		{"POST", "/sessions", `{"chroot":"c","profile":"p"}`, 403, "only root"},
		{"POST", "/sessions", `{"chroot":"c","owner":0}`, 400, "owner"},
		{"POST", "/sessions", `{"chroot":`, 400, "cannot be read"},
		{"POST", "/sessions", `{"chroot":"c"}{}`, 400, "follows"},
		{"POST", "/sessions", `{"chroot":"` + strings.Repeat("c", wire.MaxBody) + `"}`, 413, "longer than"},
		{"DELETE", "/sessions/none", "", 404, "NotFound"},
		{"DELETE", "/sessions/theirs", "", 403, "belongs to me (1001)"},
		{"DELETE", "/sessions/manifest", "", 403, "asked for by a manifest"},
		{"DELETE", "/sessions/mine", "", 200, ""},
		{"DELETE", "/sessions/mine", "", 404, "NotFound"},
		{"POST", "/sessions/theirs/exec", `{}`, 426, wire.Upgrade},
	} {
		code, text := d.ask(row.method, row.path, row.body)
		if code != row.code || !strings.Contains(text, row.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d with %q", row.method, row.path, row.body, code, text, row.code, row.want)
		}
		if refusal := new(wire.Error); code >= 400 && (json.Unmarshal([]byte(text), refusal) != nil || refusal.Reason == "" || refusal.Message == "") {
			t.Errorf("%s %s: a refusal that says nothing: %s", row.method, row.path, text)
		}
	}
	granted := d.machine.asked
	for _, s := range granted {
		if owner := s.Owner(); owner == nil || *owner != alice {
			t.Errorf("session %s has the owner %v", s.Name, owner)
		}
	}
	b := granted["bound"]
	if b == nil || b.Client() != "4711 1 boot" || !b.Spec.RetainOnFailure || b.Spec.IdleTimeout.Duration != time.Minute || b.Spec.TTL.Duration != time.Hour {
		t.Errorf("the session that ends with its client: %+v", b)
	}
	for _, want := range []string{`"granted" "who"="me (1000)" "what"="begin"`, `"refused" "who"="me (1000)" "what"="end" "session"="theirs"`} {
		if !slices.ContainsFunc(d.log, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no line %s in the log:\n%s", want, strings.Join(d.log, "\n"))
		}
	}
}

// upgrade asks for a command and returns the connection and the answer's head.
func (d *desk) upgrade(session, body string) (net.Conn, *http.Response) {
	d.Helper()
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST %s/sessions/%s/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s",
		wire.Version, session, wire.Upgrade, len(body), body)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		d.Fatal(err)
	}
	return conn, answer
}

// started returns the orders for keepers, as soon as there are so many.
func (d *desk) started(n int) []keeper.Order {
	d.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		orders := slices.Clone(d.orders)
		d.mu.Unlock()
		if len(orders) >= n || time.Now().After(deadline) {
			return orders
		}
	}
}

func TestExec(t *testing.T) {
	const alice = 1000
	d := newDesk(t, "me", alice)
	own, theirs := alice, 1001
	lists := spec.ChrootSpec{Access: &spec.Access{Users: []string{"me"}}, CommandPrefix: []string{"nice"}}
	d.machine.rooms["own"] = spec.Admitted{Name: "own", ChrootName: "c", Owner: &own, Chroot: lists}
	d.machine.rooms["theirs"] = spec.Admitted{Name: "theirs", Owner: &theirs, Chroot: lists}
	d.machine.rooms["new"] = spec.Admitted{Name: "new", Chroot: lists}
	d.machine.rooms["ending"] = spec.Admitted{Name: "ending", Chroot: lists}
	d.machine.rooms["closed"] = spec.Admitted{Name: "closed"}
	for name, phase := range map[string]status.Phase{"own": status.Ready, "theirs": status.Ready, "closed": status.Ready, "ending": status.Terminating} {
		d.put(name, phase, metav1.ConditionTrue)
	}
	d.put("new", status.Provisioning, metav1.ConditionFalse)
	for _, row := range []struct {
		session, body string
		code          int
		want          string
	}{
		{"none", `{"args":["true"]}`, 404, "there is no session"},
		{"theirs", `{"args":["true"]}`, 403, "belongs to me (1001)"},
		{"closed", `{"args":["true"]}`, 403, "its users are empty"},
		{"own", `{"args":["true"],"user":"root"}`, 403, "rootUsers"},
		{"own", `{"args":["true"],"user":"nosuch"}`, 404, "the host knows no user"},
		{"own", `{"args":[""]}`, 400, "no name"},
		{"own", `{"args":["true"],"env":["novalue"]}`, 400, "no variable"},
		{"own", `{"args":["true"],"tty":[7],"terminal":true}`, 400, "standard file 7"},
		{"own", `{"args":["true"],"uid":0}`, 400, "uid"},
		{"new", `{"args":["true"]}`, 409, "a reason"},
		{"ending", `{"args":["true"]}`, 409, "taken down"},
		{"own", `{"args":["make","-j2"],"here":"/src"}`, 101, ""},
	} {
		_, answer := d.upgrade(row.session, row.body)
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000)) // of 101 there is none
		answer.Body.Close()
		if answer.StatusCode != row.code || row.code != 101 && !strings.Contains(string(text), row.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", row.session, row.body, answer.StatusCode, text, row.code, row.want)
		}
	}
	orders := d.started(1)
	if len(orders) != 1 {
		t.Fatalf("%d commands were started, want the one that was granted", len(orders))
	}
	o := orders[0]
	if strings.Join(o.Args, " ") != "nice make -j2" || o.UID != alice || o.Session != "own" || o.Lease != "one" || strings.Join(o.Folders, " ") != "/src /home/me" {
		t.Errorf("the order is %+v", o)
	}
	// Whatever became of the keeper, the lease is given back when it has ended.
	const whole = "taken own, started own, released own"
	for deadline := time.Now().Add(10 * time.Second); d.machine.noted() != whole; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("leases: %s, want %s", d.machine.noted(), whole)
		}
	}
}

// Nobody can have so many commands running that others can have none.
func TestTooManyCommands(t *testing.T) {
	const alice, bob = 1000, 1001
	d := newDesk(t, "me", alice)
	d.machine.rooms["s"] = spec.Admitted{Name: "s", Chroot: spec.ChrootSpec{Access: &spec.Access{Users: []string{"me"}}}}
	d.put("s", status.Ready, metav1.ConditionTrue)
	for range mostCommands {
		d.server.commands.enter(alice, mostCommands)
	}
	for uid, code := range map[int64]int{alice: http.StatusTooManyRequests, bob: http.StatusSwitchingProtocols} {
		d.uid.Store(uid)
		_, answer := d.upgrade("s", `{"args":["true"]}`)
		answer.Body.Close()
		if answer.StatusCode != code {
			t.Errorf("user %d: %s, want %d", uid, answer.Status, code)
		}
	}
}

// A session that begins to end while somebody is let in takes nobody in.
func TestExecInASessionThatJustEnds(t *testing.T) {
	d := newDesk(t, "root", 0)
	d.machine.rooms["s"] = spec.Admitted{Name: "s"}
	d.put("s", status.Ready, metav1.ConditionTrue)
	d.machine.onTake = func() { d.put("s", status.Terminating, metav1.ConditionFalse) }
	_, answer := d.upgrade("s", `{"args":["true"]}`)
	answer.Body.Close()
	if answer.StatusCode != http.StatusConflict {
		t.Errorf("answer %s", answer.Status)
	}
	if got := d.machine.noted(); got != "taken s, released s" || len(d.orders) > 0 {
		t.Errorf("leases: %s; orders: %v", got, d.orders)
	}
}

func TestWatch(t *testing.T) {
	d := newDesk(t, "me", 1000)
	d.put("a", status.Ready, metav1.ConditionTrue)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x"+wire.Version+"/sessions?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := json.NewDecoder(answer.Body)
	next := func() (c wire.Change) {
		t.Helper()
		if err := lines.Decode(&c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := next(); c.Name != "a" || c.Object == nil || c.Object.Status.Phase != status.Ready {
		t.Errorf("first change %+v", c)
	}
	d.put("a", status.Terminating, metav1.ConditionFalse)
	if c := next(); c.Name != "a" || c.Object.Status.Phase != status.Terminating {
		t.Errorf("second change %+v", c)
	}
	if err := os.Remove(status.Path(d.server.Status, spec.KindSession, "a")); err != nil {
		t.Fatal(err)
	}
	if c := next(); c.Name != "a" || c.Object != nil {
		t.Errorf("third change %+v", c)
	}
}

// TestHostileClients has clients do what they should not, all at once; an honest
// one is served meanwhile.
func TestHostileClients(t *testing.T) {
	d := newDesk(t, "me", 1000)
	d.put("a", status.Ready, metav1.ConditionTrue)
	dial := func() net.Conn {
		conn, err := net.Dial("unix", d.socket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	send := func(text string) { _, _ = dial().Write([]byte(text)) } // they may be shown out
	for range 2000 {
		dial() // and says nothing
	}
	send("GET / HTTP/1.1\r\nHost: x\r\n")                                                              // half a head
	send("GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 64<<10) + "\r\n\r\n")                // a huge one
	send("POST " + wire.Version + "/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{") // half a body
	send("\x00\xff\x16\x03\x01 nonsense\r\n\r\n")
	send("GET " + wire.Version + "/sessions?watch=true HTTP/1.1\r\nHost: x\r\n\r\n") // and never reads
	// The honest one is another user: root, whose share has no end.
	d.uid.Store(0)
	if code, text := d.ask("GET", "/sessions/a", ""); code != http.StatusOK {
		t.Errorf("an honest client is answered %d %s", code, text)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"args":["true"],"env":["A=b"],"tty":[0,1]}`))
	f.Add([]byte(`{"chroot":"c","ttl":"1h"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, into := range []any{new(wire.Exec), new(wire.Begin)} {
			r := &http.Request{Body: io.NopCloser(bytes.NewReader(body))}
			err := decode(r, into)
			if _, is := errors.AsType[*failure](err); err != nil && !is {
				t.Errorf("%q: an error that is no answer: %v", body, err)
			}
			if e, is := into.(*wire.Exec); is && err == nil {
				if o, err := orderOf(*e, spec.Admitted{Name: "s"}, Account{UID: 1, Home: "/"}); err == nil && (o.UID != 1 || len(o.Args) == 0) {
					t.Errorf("%q: order %+v", body, o)
				}
			}
		}
	})
}
