// Package cluster gives the schemas to those they are made for: a Kubernetes API
// server with its etcd, and kubectl, all three real. They listen on the loopback
// interface only, and keep what they write below a folder of the test's own.
//
// It is run by make test-kube, which builds the three from their sources; without
// them every test is skipped. It is a module of its own, so that what it needs never
// mixes with what Coppice needs.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"coppice.dev/spec/schema"
	"coppice.dev/test/built"
)

const (
	// programs names the folder with kube-apiserver, etcd and kubectl, as envtest
	// has it.
	programs = "KUBEBUILDER_ASSETS"
	// root is the project's folder.
	root = "../../.."
	// moment is the most that anything may take, on a machine with much else to do.
	moment = 2 * time.Minute
)

// home is a folder that kubectl finds its server by; "" while there is none. commands
// is the one that coppice and coppiced are in.
var home, commands string

func TestMain(m *testing.M) {
	code, err := served(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// served runs the tests with a server, if there are programs to make one of.
func served(m *testing.M) (code int, err error) {
	if os.Getenv(programs) == "" {
		return m.Run(), nil
	}
	folder, err := os.MkdirTemp("", "coppice-kube-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if commands, err = built.Commands(folder); err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	ctrllog.SetLogger(logr.Discard()) // else it complains
	env := &envtest.Environment{ControlPlaneStartTimeout: moment, ControlPlaneStopTimeout: moment}
	env.ControlPlane.GetAPIServer().Out, env.ControlPlane.GetAPIServer().Err = log, log
	if _, err := env.Start(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return 0, fmt.Errorf("start the API server: %w\n%s", errors.Join(err, env.Stop()), text)
	}
	defer func() {
		if err = errors.Join(err, env.Stop()); err == nil {
			err = goleak.Find()
		}
	}()
	if err := os.Mkdir(filepath.Join(folder, ".kube"), 0o700); err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(folder, ".kube", "config"), env.KubeConfig, 0o600); err != nil {
		return 0, err
	}
	home = folder
	if err := define(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// define has the server know the kinds, as people are told to: with kubectl, of what
// coppice prints.
func define() error {
	definitions, err := exec.Command(filepath.Join(commands, "coppice"), "schema", "-o", "crd").Output()
	if err != nil {
		return fmt.Errorf("coppice schema: %w", err)
	}
	for _, args := range [][]string{
		{"apply", "-f", "-"},
		{"wait", "--for=condition=Established", "--timeout=" + moment.String(), "-f", "-"},
	} {
		if out, err := kubectl(string(definitions), args...); err != nil {
			return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	// What is published of them, which explain reads, comes a little later.
	for deadline := time.Now().Add(moment); ; time.Sleep(50 * time.Millisecond) {
		out, err := "", error(nil)
		for _, kind := range schema.Kinds() {
			if out, err = kubectl("", "explain", strings.ToLower(kind)+".spec"); err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server does not publish the schemas: %w\n%s", err, out)
		}
	}
}

// kubectl runs it, and returns what it said on either stream.
func kubectl(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), moment)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv(programs), "kubectl"), args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// client is kubectl in a test.
type client struct{ t *testing.T }

// server returns a client of the server, which is left as it was found.
func server(t *testing.T) client {
	t.Helper()
	if home == "" {
		t.Skip("there is no API server; make test-kube builds one")
	}
	c := client{t}
	t.Cleanup(func() { c.do("", "delete", "sessions,chroots,profiles", "--all") })
	return c
}

// do runs kubectl, which has to succeed, and returns what it said.
func (c client) do(input string, args ...string) string {
	c.t.Helper()
	out, err := kubectl(input, args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs kubectl, which has to fail, and returns what it said.
func (c client) refused(input string, args ...string) string {
	c.t.Helper()
	out, err := kubectl(input, args...)
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		c.t.Fatalf("kubectl %s: %v, want a refusal\n%s\n%s", strings.Join(args, " "), err, out, input)
	}
	return out
}

// coppice runs it, and returns what it said.
func (c client) coppice(input string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(commands, "coppice"), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("coppice %s: %v\n%s\n%s", strings.Join(args, " "), err, out, input)
	}
	return string(out)
}
