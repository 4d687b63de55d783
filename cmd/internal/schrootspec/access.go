package schrootspec

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// unionVariables are those by which union-mount-options name the two folders.
const (
	underlay = "${CHROOT_UNION_UNDERLAY_DIRECTORY}"
	overlay  = "${CHROOT_UNION_OVERLAY_DIRECTORY}"
)

// union says whether sessions have a layer of their own.
func (t *translation) union() {
	k, _ := schrootconf.FindKey("union-type")
	if !k.Of(t.Type()) {
		return
	}
	kind := t.take("union-type")
	if !t.Unioned() {
		t.spec.Union = &spec.Union{Type: spec.UnionNone}
		for _, key := range []string{"union-mount-options", "union-overlay-directory", "union-underlay-directory"} {
			if e, given := t.Given(key); given {
				t.done[key] = true
				t.doc.note(e.At, "%s=%s: there is no layer without union-type", key, e.Value)
			}
		}
		return
	}
	t.spec.Union = &spec.Union{Type: spec.UnionOverlay}
	if kind != "overlay" {
		t.doc.note(t.at("union-type"), "union-type=%s: it is an overlay here, as union-type=overlay is", kind)
	}
	if e, given := t.Given("union-overlay-directory"); given {
		t.doc.note(e.At, "union-overlay-directory=%s: layers lie below coppiced's --state-dir; if that folder is a tmpfs, write union: {upper: {medium: Memory}}", e.Value)
		t.keep(e.Key)
	}
	if e, given := t.Given("union-underlay-directory"); given {
		t.doc.note(e.At, "union-underlay-directory=%s: no such folder is needed", e.Value)
		t.keep(e.Key)
	}
	t.lowers()
}

// lowers reads the layers that are between the source and the session's own.
func (t *translation) lowers() {
	e, given := t.Given("union-mount-options")
	t.done["union-mount-options"] = true
	if !given || strings.TrimSpace(e.Value) == "" {
		return
	}
	t.keep(e.Key)
	short := strings.NewReplacer("$CHROOT_UNION_UNDERLAY_DIRECTORY", underlay, "$CHROOT_UNION_OVERLAY_DIRECTORY", overlay).Replace(e.Value)
	for option := range strings.SplitSeq(short, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(option), "=")
		layers := strings.Split(value, ":")
		switch {
		case key == "lowerdir" && layers[len(layers)-1] == underlay:
			t.spec.Union.Lowers = append(t.spec.Union.Lowers, layers[:len(layers)-1]...)
		case (key == "upperdir" || key == "workdir") && strings.HasPrefix(value, overlay):
		case key == "volatile":
			t.spec.Union.Volatile = new(true)
		default:
			t.doc.note(e.At, "union-mount-options: %s has no counterpart", option)
		}
	}
}

// access says who may do what.
func (t *translation) access() {
	a := spec.Access{
		Users: t.people("users"), Groups: t.people("groups"),
		RootUsers: t.people("root-users"), RootGroups: t.people("root-groups"),
	}
	t.done["source-clone"] = true
	if k, _ := schrootconf.FindKey("source-users"); k.Of(t.Type()) {
		s := spec.SourceAccess{
			Users: t.people("source-users"), Groups: t.people("source-groups"),
			RootUsers: t.people("source-root-users"), RootGroups: t.people("source-root-groups"),
		}
		if len(s.Users)+len(s.Groups)+len(s.RootUsers)+len(s.RootGroups) > 0 {
			a.Source = &s
		}
		if e, given := t.Given("source-clone"); given && !t.Bool("source-clone") {
			a.Source = nil
			t.doc.note(e.At, "source-clone=%s: nobody is let to the source but root, who always is", e.Value)
			t.keep("source-clone")
		}
	}
	if len(a.Users)+len(a.Groups)+len(a.RootUsers)+len(a.RootGroups) > 0 || a.Source != nil {
		t.spec.Access = &a
	}
}

func (t *translation) people(key string) []string {
	var list []string
	for _, name := range t.takeList(key) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// commands says how commands run.
func (t *translation) commands() {
	t.spec.CommandPrefix = t.takeList("command-prefix")
	t.spec.Shell = t.take("shell")
	switch p := t.take("personality"); p {
	case "", "undefined":
	case "linux", "linux32":
		t.spec.Personality = p
	case "linux_32bit":
		t.spec.Personality = "linux32"
	default:
		t.doc.note(t.at("personality"), "personality=%s: there is no counterpart, and Linux knows it no longer", p)
		t.keep("personality")
	}
	if filter := t.take("environment-filter"); filter != schrootconf.DefaultFilter && filter != "" {
		t.spec.Environment = &spec.Environment{Filter: wholeName(filter)}
	} else if filter == "" {
		t.doc.note(t.at("environment-filter"), "environment-filter= is empty: there is always a filter, and the usual one is used")
	}
	if t.Bool("preserve-environment") {
		t.doc.note(t.at("preserve-environment"), "preserve-environment=%s: the schroot command does so; with coppice exec say -p", t.Text("preserve-environment"))
		t.keep("preserve-environment")
	}
	t.done["preserve-environment"] = true
}

// wholeName returns an expression that matches the whole name of a variable where
// schroot's finds a part of it.
func wholeName(filter string) string {
	tree, err := syntax.Parse(filter, syntax.Perl)
	if err == nil && tree.Op == syntax.OpConcat &&
		tree.Sub[0].Op == syntax.OpBeginText && tree.Sub[len(tree.Sub)-1].Op == syntax.OpEndText {
		return filter
	}
	return fmt.Sprintf(".*(?:%s).*", filter)
}

// aliases are the chroot's other names, but for those that others have.
func (t *translation) aliases(taken map[string]bool) {
	label := t.doc.Object.GetName()
	for _, alias := range t.takeList("aliases") {
		if taken[alias] {
			if alias != label && alias != t.Name {
				t.doc.note(t.at("aliases"), "aliases: %s is a name of another chroot", alias)
			}
			continue
		}
		taken[alias] = true
		t.spec.Aliases = append(t.spec.Aliases, alias)
	}
	if !slices.Equal(t.spec.Aliases, t.List("aliases")) {
		t.keep("aliases")
	}
}
