// Package rooms holds the test of the architecture: which package may import
// which. What the packages are for stands in docs/architecture.md.
package rooms

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "coppice.dev/"

// rules say what the packages below a folder must not import, tests aside. An
// entry that ends in a slash means everything below it.
var rules = []struct {
	room   string
	but    string // a folder below that has a rule of its own
	never  []string
	except []string
	why    string
}{
	{room: "spec", but: "spec/schema", never: []string{module, "os", "golang.org/x/sys/"}, why: "the manifests' types are values; they know no machine"},
	{room: "spec/schema", never: []string{module + "reconcile/", module + "manifests", module + "controller", module + "cmd/", "golang.org/x/sys/"}, why: "a schema is made of the types of spec and status, and of nothing else"},
	{room: "manifests", never: []string{module + "reconcile/", module + "controller", module + "status"}, why: "the watched folders know files and YAML only"},
	{room: "status", never: []string{module + "reconcile/kernel/", module + "controller", module + "manifests"}, why: "status is told things; it never asks"},
	{room: "reconcile/object", never: []string{module, "os", "golang.org/x/sys/"}, why: "objects are plain values"},
	{room: "reconcile/plan", never: []string{module, "os", "io", "context", "time", "golang.org/x/sys/"}, except: []string{module + "reconcile/object"}, why: "the planner is a pure function over objects"},
	{room: "reconcile/compile", never: []string{"os", "golang.org/x/sys/", module + "reconcile/kernel/", module + "manifests", module + "controller"}, why: "the compiler is a pure function over a record"},
	{room: "reconcile", never: []string{module + "manifests", module + "controller", module + "status", "sigs.k8s.io/yaml", "k8s.io/client-go/", "github.com/fsnotify/"}, why: "the reconciler knows no files of YAML, no queues, no sockets"},
	{room: "controller/socket", never: []string{module + "reconcile/kernel/", module + "reconcile/plan", module + "cmd/"}, why: "the socket knows of sockets and processes; what the rest of the daemon does it asks for"},
	{room: "controller/socket/keeper", never: []string{module, "net", "net/", "regexp", "path/filepath", "runtime/debug", "k8s.io/"}, except: []string{module + "controller/socket/wire/frame"}, why: "a keeper begins before what is initialized late; see TestKeeperIsEarly"},
	{room: "controller/socket/wire/frame", never: []string{module, "net", "net/", "regexp", "path/filepath", "runtime/debug", "k8s.io/"}, why: "a keeper is made of it"},
	{room: "cmd/coppice/internal/early", never: []string{module, "net", "net/", "regexp", "path/filepath", "github.com/", "k8s.io/", "crypto/"}, except: []string{module + "controller/socket/wire/frame", module + "cmd/internal/attach", module + "cmd/internal/handshake"}, why: "a client begins before what is initialized late; see TestExecIsEarly"},
	{room: "cmd/internal/attach", never: []string{module, "net", "net/", "regexp", "path/filepath", "github.com/", "k8s.io/", "crypto/"}, except: []string{module + "controller/socket/wire/frame"}, why: "a client that begins early is made of it"},
	{room: "cmd/internal/handshake", never: []string{module, "net", "net/", "regexp", "path/filepath", "github.com/", "k8s.io/", "crypto/"}, except: []string{module + "controller/socket/wire/frame"}, why: "a client that begins early is made of it"},
	{room: "controller", but: "controller/socket", never: []string{module + "reconcile/kernel/", "golang.org/x/sys/", "os/exec", "syscall"}, why: "the controller makes no system call on storage"},
	{room: "controller", but: "controller/metrics", never: []string{"github.com/prometheus/"}, why: "who looks at the controller counts for himself what it tells"},
	{room: "controller/metrics", never: []string{"net/http", module + "manifests", module + "cmd/", module + "controller/socket", "github.com/prometheus/client_golang/prometheus/promhttp"}, why: "metrics are counted there, and served elsewhere"},
	{room: "cmd/internal/monitor", never: []string{module + "reconcile/", module + "manifests", module + "controller/metrics"}, why: "who serves what there is to look at is given it"},
}

func TestRooms(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.room, func(t *testing.T) {
			files := 0
			for file, imports := range importsBelow(t, filepath.Join("..", "..", rule.room)) {
				if rule.but != "" && strings.HasPrefix(file, filepath.Join("..", "..", rule.but)+"/") {
					continue
				}
				files++
				for _, path := range imports {
					if forbidden(path, rule.never) && !forbidden(path, rule.except) {
						t.Errorf("%s imports %s: %s", file, path, rule.why)
					}
				}
			}
			if files == 0 {
				t.Errorf("no Go file below %s: the rule guards nothing", rule.room)
			}
		})
	}
}

func forbidden(path string, list []string) bool {
	for _, entry := range list {
		if path == entry || strings.HasSuffix(entry, "/") && strings.HasPrefix(path+"/", entry) {
			return true
		}
	}
	return false
}

// importsBelow returns what each Go file below the folder imports, tests left out.
func importsBelow(t *testing.T, folder string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		found[path] = nil
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			found[path] = append(found[path], name)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read imports below %s: %v", folder, err)
	}
	return found
}
