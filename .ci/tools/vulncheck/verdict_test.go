package main

import (
	"strings"
	"testing"
)

// said is what govulncheck says of a program with three reports: one of a module that is
// called twice, one that is only required, one of the Go release.
const said = `
{"config": {"protocol_version": "v1.0.0"}}
{"osv": {"id": "GO-2024-0001", "summary": "a loop without end"}}
{"osv": {"id": "GO-2024-0002", "summary": "never called"}}
{"osv": {"id": "GO-2024-0003", "summary": "of the release"}}
{"finding": {"osv": "GO-2024-0001", "fixed_version": "v1.2.3", "trace": [{"module": "example.org/a", "version": "v1.0.0", "package": "example.org/a", "function": "Read", "receiver": "*Reader"}, {"module": "coppice.dev", "package": "coppice.dev/cmd", "function": "main"}]}}
{"finding": {"osv": "GO-2024-0001", "fixed_version": "v1.2.3", "trace": [{"module": "example.org/a", "version": "v1.0.0", "package": "example.org/a", "function": "Write"}]}}
{"finding": {"osv": "GO-2024-0002", "trace": [{"module": "example.org/b", "version": "v1.0.0"}]}}
{"finding": {"osv": "GO-2024-0003", "fixed_version": "v1.26.9", "trace": [{"module": "stdlib", "version": "v1.26.8", "package": "net/http", "function": "Get"}]}}
`

func TestJudge(t *testing.T) {
	found, err := read(strings.NewReader(said))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, accepted, text, err string }{
		{"a module's fails", "", "GO-2024-0001: a loop without end\n  example.org/a v1.0.0, mended in v1.2.3\n  coppice.dev/cmd.main reaches example.org/a.Reader.Read\n", "1 reports"},
		{"the release's is told", "GO-2024-0001 we never read", "GO-2024-0003, mended in 1.26.9: of the release", ""},
		{"what is left is counted", "# a comment\n\nGO-2024-0001 we never read\n", "0 in modules, 1 in this Go release, 1 left with a reason", ""},
		{"what is left and gone fails", "GO-2024-0001 we never read\nGO-2024-0002 gone", "1 left", "GO-2024-0002: accepted, but not found any more"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			left, err := parseAccepted(tc.accepted)
			if err != nil {
				t.Fatal(err)
			}
			v := judge(found, left)
			if text := v.text(); !strings.Contains(text, tc.text) || strings.Contains(text, "never called") {
				t.Errorf("it says\n%s", text)
			}
			if err := v.err(); (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

func TestAReasonIsNeeded(t *testing.T) {
	for _, text := range []string{"GO-2024-0001", "CVE-2024-1 since", "GO-2024-0001  "} {
		if left, err := parseAccepted(text); err == nil {
			t.Errorf("%q is taken for %v", text, left)
		}
	}
}

func TestGarbage(t *testing.T) {
	if _, err := read(strings.NewReader(`{"finding": 3}`)); err == nil {
		t.Error("what is no message is read")
	}
}
