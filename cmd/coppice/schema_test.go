package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coppice.dev/spec/schema"
)

// TestSchema prints what is embedded: a schema of a kind, or one that takes all.
func TestSchema(t *testing.T) {
	var definitions strings.Builder
	for _, kind := range schema.Kinds() {
		definitions.Write(schema.CRD(kind))
	}
	for _, row := range []struct {
		args string
		want string
	}{
		{"", string(schema.JSON(""))},
		{"session", string(schema.JSON("Session"))},
		{"CHROOTS -o json", string(schema.JSON("Chroot"))},
		{"pr -o crd", string(schema.CRD("Profile"))},
		{"-o crd", definitions.String()},
	} {
		out, errOut, code := said(append([]string{"schema"}, strings.Fields(row.args)...)...)
		if code != exitOK || errOut != "" || out != row.want {
			t.Errorf("schema %s: exit code %d, %s, %d bytes; want %d", row.args, code, errOut, len(out), len(row.want))
		}
	}
}

func TestSchemaOfNothing(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"pod", "the kinds are sessions, chroots"},
		{"manifest", "nobody writes manifests: there are schemas of chroot, profile, session"},
		{"-o yaml", "-o yaml: want one of json, crd"},
		{"session chroot", "one kind at a time, please"},
	} {
		out, errOut, code := said(append([]string{"schema"}, strings.Fields(row.args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, row.want) {
			t.Errorf("schema %s: exit code %d, %q, %q; want %d and %q", row.args, code, out, errOut, exitUsage, row.want)
		}
	}
}

// TestSchemaFiles writes the files that kubeconform and kubectl are pointed to.
func TestSchemaFiles(t *testing.T) {
	for _, row := range []struct {
		args  string
		files []string
	}{
		{"", []string{"chroot_v1alpha1.json", "manifest_v1alpha1.json", "profile_v1alpha1.json", "session_v1alpha1.json"}},
		{"session", []string{"session_v1alpha1.json"}},
		{"-o crd", []string{"coppice.dev_chroots.yaml", "coppice.dev_profiles.yaml", "coppice.dev_sessions.yaml"}},
	} {
		folder := filepath.Join(t.TempDir(), "not", "there")
		out, errOut, code := said(append([]string{"schema", "--dir", folder}, strings.Fields(row.args)...)...)
		if code != exitOK {
			t.Fatalf("schema %s: exit code %d, %s", row.args, code, errOut)
		}
		written, err := filepath.Glob(folder + "/*")
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Fields(out)
		slices.Sort(told)
		if !slices.Equal(told, written) {
			t.Errorf("schema %s: it says\n%s\nand wrote %v", row.args, out, written)
		}
		var names []string
		for _, path := range written {
			names = append(names, filepath.Base(path))
			if text, err := os.ReadFile(path); err != nil || filepath.Ext(path) == ".json" && !json.Valid(text) {
				t.Errorf("%s: %v, %s", path, err, text)
			}
		}
		if !slices.Equal(names, row.files) {
			t.Errorf("schema %s: %v, want %v", row.args, names, row.files)
		}
	}
	if _, errOut, code := said("schema", "--dir", "/dev/null/x"); code != exitFailure || !strings.Contains(errOut, "make folder for schemas") {
		t.Errorf("where no folder can be: exit code %d, %s", code, errOut)
	}
}
