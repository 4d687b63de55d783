// Package packaging holds the tests of what is installed beside the programs.
package packaging

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"coppice.dev/controller/metrics"
)

const (
	rulesFile = "prometheus/coppice.rules.yaml"
	testsFile = "prometheus/coppice.rules.test.yaml"
	dashboard = "grafana/coppice.json"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	const program = "../bin/tools/promtool"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: make deps takes it out of Debian's package", err)
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
}

// TestRules: the alerts are good rules, and do what their tests say.
func TestRules(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", testsFile)
}

// TestEveryAlertIsTried: there is a test in which it is raised, and one in which it is
// not.
func TestEveryAlertIsTried(t *testing.T) {
	var rules ruleFile
	var tests struct {
		Tests []struct {
			Cases []struct {
				Alert  string `json:"alertname"`
				Expect []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	read(t, rulesFile, &rules)
	read(t, testsFile, &tests)
	raised, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, c := range test.Cases {
			raised[c.Alert] = raised[c.Alert] || len(c.Expect) > 0
			quiet[c.Alert] = quiet[c.Alert] || len(c.Expect) == 0
		}
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if !raised[rule.Alert] || !quiet[rule.Alert] {
				t.Errorf("alert %s: raised in a test: %v, not raised in one: %v", rule.Alert, raised[rule.Alert], quiet[rule.Alert])
			}
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("alert %s does not say how bad it is, what it is and what to do", rule.Alert)
			}
			speaks(t, "alert "+rule.Alert, rule.Expr)
		}
	}
}

// TestDashboard: it is one, its places do not overlap, and it shows what there is.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			Place       struct{ X, Y, W, H int } `json:"gridPos"`
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID != "coppice" || len(board.Panels) < 20 {
		t.Errorf("dashboard %q has %d panels", board.UID, len(board.Panels))
	}
	taken, ids, all := map[[2]int]string{}, map[int]bool{}, []string{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.Place.X; x < p.Place.X+p.Place.W; x++ {
			for y := p.Place.Y; y < p.Place.Y+p.Place.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("panel %q lies over %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			speaks(t, "panel "+p.Title, target.Expr)
			all = append(all, target.Expr)
		}
	}
	valid(t, all)
}

// valid has promtool parse expressions, as rules that nobody loads.
func valid(t *testing.T, all []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("groups:\n- name: x\n  rules:\n")
	for i, expr := range all {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", "x", "$job", "x").Replace(expr)
		fmt.Fprintf(&b, "  - record: x:%d\n    expr: '%s'\n", i, strings.ReplaceAll(expr, "'", "''"))
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", file)
}

var (
	word     = regexp.MustCompile(`\b(coppice|process|go|promhttp)_[a-z_]+`)
	selector = regexp.MustCompile(`\b(coppice_[a-z_]+)\{([^}]*)\}`)
	label    = regexp.MustCompile(`([a-z]+)(=~|!~|!=|=)"`)
	// standard are those of the process that are there on Linux.
	standard = []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"}
)

// speaks checks that an expression speaks of metrics that there are, and of their labels.
func speaks(t *testing.T, who, expr string) {
	t.Helper()
	known := map[string]metrics.Definition{}
	for _, d := range metrics.Definitions() {
		known[d.Name] = d
		if d.Type == metrics.Histogram {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				known[d.Name+part] = d
			}
			delete(known, d.Name)
		}
	}
	for _, name := range word.FindAllString(expr, -1) {
		if _, is := known[name]; !is && !slices.Contains(standard, name) {
			t.Errorf("%s asks for %s, which there is not", who, name)
		}
	}
	for _, found := range selector.FindAllStringSubmatch(expr, -1) {
		for _, l := range label.FindAllStringSubmatch(found[2], -1) {
			if d := known[found[1]]; !slices.Contains(append([]string{"instance", "job", "le"}, d.Labels...), l[1]) {
				t.Errorf("%s asks for label %s of %s, which has %q", who, l[1], found[1], d.Labels)
			}
		}
	}
}
