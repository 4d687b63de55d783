package schema

import (
	"fmt"
	"strings"
)

// elsewhere are fields that hold what another kind's spec does, by kind and path.
var elsewhere = map[string]string{
	"Session.spec.chroot":  "the fields of [Chroot](#chroot)'s spec",
	"Session.spec.profile": "the fields of [Profile](#profile)'s spec",
	"Chroot.status":        "as that of a [Session](#session)",
	"Profile.status":       "as that of a [Session](#session)",
}

// Reference tells of every field of every kind, in Markdown, as coppice explain does.
func Reference() (string, error) {
	var b strings.Builder
	b.WriteString("# Fields of manifests\n\nWritten by `make generate`, of the Go types; `coppice explain session.spec` says the same.\n" +
		"[manifests.md](../manifests.md) tells what they are for, and what stands there if nothing does.\n")
	for _, kind := range Kinds() {
		f, err := Find(kind, nil)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | |\n| --- | --- | --- |\n", kind, escaped(f.Description))
		fields(&b, kind, kind, f.Fields)
	}
	return b.String(), nil
}

// fields writes a line for each field, and for each below it.
func fields(b *strings.Builder, kind, path string, list []Field) {
	for _, f := range list {
		at := path + "." + f.Name
		about := []string{escaped(f.Description)}
		if f.Required {
			about = append(about, "Required.")
		}
		if len(f.Values) > 0 {
			about = append(about, "One of: `"+strings.Join(f.Values, "`, `")+"`.")
		}
		for _, rule := range f.Rules {
			about = append(about, "Rule: "+escaped(rule)+".")
		}
		there := elsewhere[at]
		if there != "" {
			about = append(about, "It has "+there+".")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", strings.TrimPrefix(at, kind+"."), escaped(f.Type), strings.TrimSpace(strings.Join(about, " ")))
		if there == "" {
			fields(b, kind, at, f.Fields)
		}
	}
}

// escaped makes a text fit for a table's cell.
func escaped(text string) string {
	return cell.Replace(strings.Join(strings.Fields(text), " "))
}

var cell = strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "_", `\_`, "[", `\[`)
