package main

import (
	"errors"
	"strings"
	"testing"

	"coppice.dev/status"
)

// described is a session of which there is much to tell.
func described() status.File {
	f := session("a", status.Ready, "True", "Converged", "9 objects")
	f.Metadata.Labels = map[string]string{"suite": "bookworm", "example.com/team": "a"}
	f.Metadata.Generation = 12345678 // 1.2345678e+07 where whole numbers do not stay whole
	f.Status.Root = "/run/coppice/sessions/a/root"
	f.Status.Objects = []status.Object{{Address: "0-home/home", Kind: "Home"}, {Address: "4-root/namespace", Kind: "Namespace"}}
	return f
}

func TestTemplates(t *testing.T) {
	a, b := described(), session("b", status.Failed, "False", "SourceMissing", "no \x1b[2Jsuch file")
	for _, row := range []struct {
		output string
		files  []status.File
		single bool
		want   string
	}{
		{"jsonpath={.status.root}", []status.File{a}, true, "/run/coppice/sessions/a/root"},
		{"jsonpath={.status.phase}{\"\\n\"}", []status.File{a}, true, "Ready\n"},
		{"jsonpath={.metadata.generation}", []status.File{a}, true, "12345678"},
		{"jsonpath={.metadata.labels.example\\.com/team}", []status.File{a}, true, "a"},
		{"jsonpath={.status.nothing}{.metadata.labels.none}!", []status.File{a}, true, "!"},
		{"jsonpath={.status.objects}", []status.File{a}, true, `[{"address":"0-home/home","kind":"Home"},{"address":"4-root/namespace","kind":"Namespace"}]`},
		{"jsonpath={.status.objects[*].kind}", []status.File{a}, true, "Home Namespace"},
		{"jsonpath={.status.objects[-1:].kind}", []status.File{a}, true, "Namespace"},
		{"jsonpath={range .status.objects[*]}{.address}={.kind};{end}", []status.File{a}, true, "0-home/home=Home;4-root/namespace=Namespace;"},
		{"jsonpath={.status.conditions[?(@.type==\"Ready\")].status}", []status.File{b}, true, "False"},
		{"jsonpath={.items[*].metadata.name}", []status.File{a, b}, false, "a b"},
		{"jsonpath={range .items[*]}{.metadata.name}{\"\\t\"}{.status.phase}{\"\\n\"}{end}", []status.File{a, b}, false, "a\tReady\nb\tFailed\n"},
		{"jsonpath={.kind}{.items}", nil, false, "List[]"},
		{"jsonpath={range .items[*]}{.metadata.name}{end}", nil, false, ""},
		// The same template for several objects, as while watching.
		{"jsonpath={range .status.conditions[*]}{.reason} {end}", []status.File{a, b}, true, "Converged SourceMissing "},
		{"jsonpath=plain", []status.File{a}, true, "plain"},
		{"custom-columns=NAME:.metadata.name,ROOT:.status.root", []status.File{a, b}, false, "NAME   ROOT\na      /run/coppice/sessions/a/root\nb      <none>\n"},
		{"custom-columns=NAME:metadata.name,G:{.metadata.generation}", []status.File{a}, true, "NAME   G\na      12345678\n"},
		{"custom-columns=KINDS:.status.objects[*].kind", []status.File{a}, true, "KINDS\nHome,Namespace\n"},
		{"custom-columns=LABELS:.metadata.labels,WHY:.status.conditions[0].message", []status.File{b}, true, "LABELS   WHY\n<none>   no ^[[2Jsuch file\n"},
		{"custom-columns=LABELS:.metadata.labels", []status.File{a}, true, "LABELS\nmap[example.com/team:a suite:bookworm]\n"},
		{"custom-columns=N:.metadata.name", nil, false, "N\n"},
	} {
		template, err := parseTemplate(row.output)
		if err != nil {
			t.Errorf("-o %s: %v", row.output, err)
			continue
		}
		var out strings.Builder
		if err := template.print(&out, row.files, row.single, true); err != nil || out.String() != row.want {
			t.Errorf("-o %s: %v\n%q, want\n%q", row.output, err, out.String(), row.want)
		}
	}
}

func TestTemplatesThatWillNotDo(t *testing.T) {
	for output, says := range map[string]string{
		"jsonpath=":                    "want a template",
		"jsonpath={.status":            "unclosed action",
		"jsonpath={.status[}":          "unterminated array",
		"custom-columns=":              "want NAME:.path",
		"custom-columns=NAME":          `"NAME": want NAME:.path`,
		"custom-columns=NAME:":         "want NAME:.path",
		"custom-columns=:.a":           "want NAME:.path",
		"custom-columns=A:.a,":         `"": want NAME:.path`,
		"custom-columns=A:.a[,B:.b":    `"A:.a["`,
		"custom-columns=A:.a,B:{.b[0}": `"B:{.b[0}"`,
	} {
		_, err := parseTemplate(output)
		coded, is := errors.AsType[*codeError](err)
		if !is || coded.code != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("-o %s: %v, want %q", output, err, says)
		}
	}
	for _, output := range []string{"table", "json", "jsonpaths=x", ""} {
		if template, err := parseTemplate(output); template != nil || err != nil {
			t.Errorf("-o %s is a template: %v", output, err)
		}
	}
	// What can only be seen by looking at an object is no mistake in the call.
	template, err := parseTemplate("jsonpath={.status.objects[7].kind}")
	if err != nil {
		t.Fatal(err)
	}
	if err := template.print(&strings.Builder{}, []status.File{described()}, true, true); err == nil || !strings.Contains(err.Error(), "array index out of bounds") {
		t.Errorf("an index out of bounds: %v", err)
	}
}

func TestNoHeaders(t *testing.T) {
	template, err := parseTemplate("custom-columns=N:.metadata.name")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := template.print(&out, []status.File{described()}, false, false); err != nil || out.String() != "a\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}
