package schema_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"coppice.dev/spec/schema"
	"coppice.dev/spec/schema/derive"
)

// TestJSONIsCurrent derives the JSON Schemas once more.
func TestJSONIsCurrent(t *testing.T) {
	var all [][]byte
	for _, kind := range schema.Kinds() {
		text, err := derive.JSON(schema.CRD(kind))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, schema.JSON(kind)) {
			t.Errorf("the JSON Schema of %s is not what its definition says: run make generate", kind)
		}
		all = append(all, text)
	}
	text, err := derive.Any(all...)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, schema.JSON("")) {
		t.Error("the JSON Schema of all kinds is not made of the others: run make generate")
	}
}

func TestKindOf(t *testing.T) {
	for word, want := range map[string]string{
		"session": "Session", "Sessions": "Session", "CHROOT": "Chroot", "profiles": "Profile", "pod": "", "": "", "sessionss": "",
	} {
		if got, is := schema.KindOf(word); got != want || is != (want != "") {
			t.Errorf("KindOf(%q) = %q, %v; want %q", word, got, is, want)
		}
	}
}

func TestFind(t *testing.T) {
	tests := []struct {
		kind, path string
		want       schema.Field
		fields     []string
	}{
		{"Session", "spec.chrootRef.name", schema.Field{Name: "name", Type: "string", Required: true}, nil},
		{"Session", "spec.expose", schema.Field{Name: "expose", Type: "string", Values: []string{"Root", "Tree", "None"}}, nil},
		{"Session", "spec.limits.memory", schema.Field{Name: "memory", Type: "Quantity"}, nil},
		{"Session", "spec.chroot.union", schema.Field{Name: "union", Type: "Object"}, []string{"lowers", "type", "upper", "volatile"}},
		{"Session", "spec.limits.rlimits", schema.Field{Name: "rlimits", Type: "map[string]Object"}, []string{"hard", "soft"}},
		{"Profile", "spec.mounts", schema.Field{Name: "mounts", Type: "[]Object"}, []string{"optional", "options", "size", "source", "target", "type"}},
		{"Profile", "spec.mounts.target", schema.Field{Name: "target", Type: "string"}, nil},
		{"Profile", "", schema.Field{Name: "Profile", Type: "Object"}, []string{"apiVersion", "kind", "metadata", "spec", "status"}},
	}
	for _, test := range tests {
		var path []string
		if test.path != "" {
			path = strings.Split(test.path, ".")
		}
		got, err := schema.Find(test.kind, path)
		if err != nil {
			t.Errorf("%s %s: %v", test.kind, test.path, err)
			continue
		}
		if got.Description == "" {
			t.Errorf("%s %s: it is not described", test.kind, test.path)
		}
		var fields []string
		for _, f := range got.Fields {
			fields = append(fields, f.Name)
		}
		if got.Name != test.want.Name || got.Type != test.want.Type || got.Required != test.want.Required ||
			!slices.Equal(got.Values, test.want.Values) || !slices.Equal(fields, test.fields) {
			t.Errorf("%s %s: %+v\nwant %+v of %v", test.kind, test.path, got, test.want, test.fields)
		}
	}
}

func TestFindNothing(t *testing.T) {
	_, err := schema.Find("Session", []string{"spec", "union"})
	if err == nil || !strings.Contains(err.Error(), `session.spec has no field "union"; did you mean session.spec.chroot.union?`) {
		t.Errorf("%v", err)
	}
	_, err = schema.Find("Session", []string{"kind", "x"})
	if err == nil || !strings.Contains(err.Error(), `session.kind has no field "x"; it has no fields`) {
		t.Errorf("%v", err)
	}
}

// TestEveryFieldIsDescribed walks through all that a person can ask about, and wants
// each called what it is called in a manifest.
func TestEveryFieldIsDescribed(t *testing.T) {
	var walk func(at string, f schema.Field)
	walk = func(at string, f schema.Field) {
		first, _, _ := strings.Cut(f.Description, " ")
		switch {
		case f.Description == "":
			t.Errorf("%s is not described", at)
		case strings.Contains(at, ".") && first != f.Name && strings.EqualFold(first, f.Name):
			t.Errorf("%s is called %s", at, first)
		}
		for _, child := range f.Fields {
			walk(at+"."+child.Name, child)
		}
	}
	for _, kind := range schema.Kinds() {
		root, err := schema.Find(kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		walk(kind, root)
	}
}

// TestDescribed calls fields what they are called in a manifest, and lets all else be.
func TestDescribed(t *testing.T) {
	for _, test := range []struct{ name, comment, want string }{
		{"ttl", "TTL is how long it lives.", "ttl is how long it lives."},
		{"lvmSnapshot", "LVMSnapshot is\na volume.", "lvmSnapshot is\na volume."},
		{"set", "Sets are none.", "Sets are none."},
		{"user", "User", "User"},
		{"user", "", ""},
	} {
		if got := derive.Described(test.name, test.comment); got != test.want {
			t.Errorf("%s: %q is %q, want %q", test.name, test.comment, got, test.want)
		}
	}
}
