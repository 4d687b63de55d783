package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestLoopbackOnly has nobody on the network reach the programs.
func TestLoopbackOnly(t *testing.T) {
	server(t)
	var programs []string
	listening := map[string]string{} // addresses by the socket's number
	for file, loopback := range map[string]string{
		"/proc/net/tcp":  "0100007F",
		"/proc/net/tcp6": "00000000000000000000000001000000",
	} {
		for _, line := range lines(t, file) {
			const listen = "0A"
			if fields := strings.Fields(line); len(fields) > 9 && fields[3] == listen {
				if address, _, _ := strings.Cut(fields[1], ":"); address != loopback {
					listening["socket:["+fields[9]+"]"] = fields[1]
				}
			}
		}
	}
	for _, folder := range children(t) {
		name, err := os.ReadFile(folder + "/comm")
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, strings.TrimSpace(string(name)))
		files, err := os.ReadDir(folder + "/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			to, err := os.Readlink(filepath.Join(folder, "fd", file.Name()))
			if err == nil && listening[to] != "" {
				t.Errorf("%s listens on %s, which is not the loopback interface", strings.TrimSpace(string(name)), listening[to])
			}
		}
	}
	slices.Sort(programs)
	if !slices.Equal(programs, []string{"etcd", "kube-apiserver"}) {
		t.Errorf("the programs are %v", programs)
	}
}

// children are the folders in /proc of the processes that this one has started.
func children(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, filepath.Dir(stat))
		}
	}
	return found
}

// lines are those of a file, none of one that is not there.
func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}
