package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// wrongCalls are calls of each command that no controller can make right. A command that
// takes any number of names has what is wrong with its flags instead.
var wrongCalls = map[string][]string{
	"":                      {"nosuch", "sesions list"},
	"apply":                 {"", "x.yaml", "--prune -f x.yaml", "-l a=( -f x.yaml"},
	"begin":                 {"", "a b", "--ttl -1s a", "--ttl soon a", "--hook-env X a"},
	"completion":            {"", "nosuch", "basch"},
	"completion bash":       {"x"},
	"completion fish":       {"x"},
	"completion powershell": {"x"},
	"completion zsh":        {"x"},
	"cp":                    {"", "a", "a b", "s:/a t:/b", "s: x"},
	"delete":                {"", "pods x", "session a/b", "sessions -l a=b -f x.yaml", "sessions -l a=("},
	"describe":              {"", "pods x", "sessions -l a=(", "session/"},
	"diff":                  {"", "x.yaml"},
	"doctor":                {"x", "-o yaml"},
	"end":                   {"", "session/"},
	"events":                {"pods", "-o name", "--types Bad", "session/a -l a=b"},
	"exec":                  {"", "-- true", "-t -T a -- true"},
	"explain":               {"", "a b", "pods", "session.nosuch", "manifest"},
	"export":                {"", "nosuch", "schroots"},
	"export schroot":        {"--nosuch"},
	"get":                   {"", "pods", "sessions -o x", "sessions -o jsonpath={", "session/a chroot/b", "sessions a -l a=b"},
	"help":                  {"nosuch", "export nosuch"},
	"import":                {"", "nosuch"},
	"import schroot":        {"a b", "--idle-timeout soon"},
	"logs":                  {"", "session/", "-o yaml a", "--tail -2 a"},
	"plan":                  {"x.yaml", "-o yaml", "--without x", "--prune -f x.yaml"},
	"prune":                 {"x", "--timeout soon"},
	"ps":                    {"-o name"},
	"reconcile":             {"", "session/", "chroots -l a=("},
	"resume":                {"", "session/"},
	"run":                   {"", "-- true", "-t -T a -- true", "--ttl -1s a"},
	"save":                  {"", "a b"},
	"schema":                {"a b", "pods", "folder", "-o yaml"},
	"shell":                 {"", "a b", "chroot/"},
	"suspend":               {"", "session/"},
	"top":                   {"-o name", "--sort-by x", "--interval 1ms", "-n -1", "session/", "a -l a=b", "-l a=("},
	"tree":                  {"", "a b"},
	"validate":              {"", "-o yaml x.yaml", "nosuch.yaml"},
	"version":               {"x"},
	"wait":                  {"", "--for=x session/a", "pods x", "session/"},
	"why":                   {"", "-o name a"},
}

// TestWrongCalls holds every command to the exit code for what was called wrongly.
func TestWrongCalls(t *testing.T) {
	h := newHouse(t)
	h.tell("Session", "a", "", nil)
	for _, path := range commands(newRoot(&cli{})) {
		calls, known := wrongCalls[path]
		if !known {
			t.Errorf("coppice %s: how is it called wrongly?", path)
		}
		for _, call := range append(slices.Clone(calls), "--nosuch", "--run-dir") {
			words := strings.Fields(path + " " + call)
			out, errOut, code := h.call("", words...)
			if code != exitUsage || !strings.HasPrefix(errOut, "coppice: ") || out != "" {
				t.Errorf("coppice %s: exit code %d, out %q, err %q", strings.Join(words, " "), code, out, errOut)
			}
		}
	}
}

// commands returns the names of all commands, those that cobra adds too.
func commands(root *cobra.Command) (paths []string) {
	root.InitDefaultHelpCmd()
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		paths = append(paths, strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), root.Name())))
		for _, below := range cmd.Commands() {
			if !below.Hidden {
				add(below)
			}
		}
	}
	add(root)
	return paths
}
