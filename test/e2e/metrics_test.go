package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"coppice.dev/test/built"
)

// watched starts the daemon with a socket for those who look.
func (h *host) watched(args ...string) {
	h.t.Helper()
	h.startAs(h.command(append([]string{"--metrics-listen", "unix:" + h.run + "/metrics.sock"}, args...)...))
	h.until("the metrics can be read", func() bool { code, _ := h.look("/metrics"); return code == http.StatusOK })
}

// look asks those who tell how the daemon is.
func (h *host) look(path string) (code int, text string) {
	h.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.run+"/metrics.sock")
	}}
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://coppice"+path, http.NoBody)
	must(h.t, err)
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err.Error() // it may be just starting
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(answer.Body)
	must(h.t, err)
	return answer.StatusCode, body.String()
}

// metric returns the sum of a metric's values that have all of these labels:
// "coppice_sessions", "phase=Ready".
func (h *host) metric(name string, labels ...string) float64 {
	h.t.Helper()
	_, text := h.look("/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	must(h.t, err)
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		has := map[string]bool{}
		for _, l := range m.GetLabel() {
			has[l.GetName()+"="+l.GetValue()] = true
		}
		all := true
		for _, l := range labels {
			all = all && has[l]
		}
		if all {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// counts waits until a metric has a value.
func (h *host) counts(want float64, name string, labels ...string) {
	h.t.Helper()
	h.until(name+" "+strings.Join(labels, " ")+" is as expected", func() bool { return h.metric(name, labels...) == want })
}

// TestMetrics follows a session from its manifest to its end by what is counted, with the
// real daemon.
func TestMetrics(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.watched()
	h.counts(1, "coppice_ready")
	h.write("a.yaml", session("a", directory(h.root("root"))))
	h.ready("a")
	h.counts(1, "coppice_sessions", "phase=Ready")
	h.counts(1, "coppice_sessions_admitted_total")
	h.counts(1, "coppice_session_startup_seconds")
	h.counts(0, "coppice_drift_repairs_total")
	if made := h.metric("coppice_step_duration_seconds", "kind=Namespace", "operation=Create"); made != 1 {
		t.Errorf("%v namespaces were made", made)
	}
	if h.metric("coppice_objects", "kind=Namespace") != 1 || h.metric("coppice_host_mounts") < 2 || h.metric("coppice_disk_size_bytes", "folder=state") <= 0 {
		t.Error("objects, mounts or the disk are not told")
	}

	// Drift.
	h.exec("a", "umount -l /proc")
	h.until("it is repaired", func() bool { return h.metric("coppice_drift_repairs_total", "kind=Mount") >= 1 })
	h.ready("a")

	// Who is inside.
	v := h.visit("a", "read x")
	h.counts(1, "coppice_leases")
	h.counts(1, "coppice_sessions_occupied")
	must(t, v.in.Close())
	v.code()
	h.counts(0, "coppice_leases")
	if granted := h.metric("coppice_access_decisions_total", "what=enter", "decision=granted"); granted != 2 {
		t.Errorf("%v were let in", granted)
	}

	// What fails, and is tried again.
	h.write("bad.yaml", session("bad", directory(h.base+"/nowhere")))
	h.counts(1, "coppice_sessions", "phase=Failed")
	h.counts(1, "coppice_sessions_not_ready", "reason=SourceMissing")
	h.counts(1, "coppice_reconcile_failing", "class=session")
	h.remove("bad.yaml")
	h.gone("bad")
	h.counts(0, "coppice_reconcile_failing", "class=session")

	// A folder that cannot be read.
	must(t, os.Rename(h.manifests, h.manifests+".away"))
	h.counts(0, "coppice_ready")
	h.counts(0, "coppice_manifest_folder_readable", "folder="+h.manifests)
	if code, text := h.look("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, h.manifests) {
		t.Errorf("readyz: %d %s", code, text)
	}
	must(t, os.Rename(h.manifests+".away", h.manifests))
	h.counts(1, "coppice_ready")
	if code, text := h.look("/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, text)
	}

	h.promtool()
	h.remove("a.yaml")
	h.gone("a")
	h.counts(1, "coppice_sessions_ended_total", "reason=ManifestRemoved") // that which was never made aside
	h.nothingLeft()
}

// TestMetricsOfASweep counts what a daemon sweeps that finds what nobody asks for.
func TestMetricsOfASweep(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.watched()
	h.ephemeral("a.yaml", session("a", directory(h.root("root"))))
	h.ready("a")
	h.kill()
	must(t, os.Remove(h.run+"/manifests/a.yaml"))
	must(t, os.RemoveAll(h.run+"/status"))
	h.watched("--measure-uppers", "1s")
	h.counts(1, "coppice_orphans_swept_total", "class=session")
	h.counts(1, "coppice_sessions_ended_total", "reason=Orphan")
	// What sessions hold is measured because somebody looks.
	h.write("b.yaml", session("b", directory(h.base+"/root")))
	h.ready("b")
	h.exec("b", "cat /bin/busybox /bin/busybox > /etc/big")
	h.until("what it holds is added up", func() bool { return h.metric("coppice_uppers_largest_bytes") > 500_000 })
	h.counts(1, "coppice_uppers_measured")
	h.remove("b.yaml")
	h.gone("b")
	h.nothingLeft()
}

// TestMetricsPortTaken: sessions are tended where nobody can look.
func TestMetricsPortTaken(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := taken.Addr().String()
	h.startAs(h.command("--metrics-listen", address))
	h.write("a.yaml", session("a", directory(h.root("root"))))
	h.ready("a")
	tells(t, h.do("get", "manifests", "-o", "yaml"), "NoMetrics", address, "address already in use")
	must(t, taken.Close())
	h.until("it listens all the same", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	h.until("the trouble is over", func() bool { return !strings.Contains(h.do("get", "manifests"), address) })
	h.remove("a.yaml")
	h.gone("a")
	h.nothingLeft()
}

// TestMetricsRefused: what others could reach is refused before anything is done.
func TestMetricsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	out, err := h.command("--metrics-listen", "0.0.0.0:9754").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--metrics-allow-remote") {
		t.Errorf("%v: %s", err, out)
	}
}

// promtool has nothing to say against what the daemon tells.
func (h *host) promtool() {
	h.t.Helper()
	if os.Getenv(built.Variable) != "" {
		return // what they are called does not depend on the machine
	}
	const program = "../../bin/tools/promtool"
	if _, err := os.Stat(program); err != nil {
		h.t.Fatalf("%v: make deps takes it out of Debian's package", err)
	}
	_, text := h.look("/metrics")
	check := exec.Command(program, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		h.t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
