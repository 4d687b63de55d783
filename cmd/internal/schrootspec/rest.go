package schrootspec

import (
	"slices"
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// withoutCounterpart says what becomes of keys that no field stands for.
var withoutCounterpart = map[string]string{
	"message-verbosity":        "the schroot command heeds it, no other does",
	"priority":                 "schroot itself uses it no longer",
	"active":                   "schroot itself uses it no longer",
	"run-setup-scripts":        "schroot itself uses it no longer; a plain source runs no hooks",
	"run-exec-scripts":         "schroot itself uses it no longer",
	"run-session-scripts":      "schroot itself uses it no longer",
	"setup.config":             "",
	"setup.copyfiles":          "",
	"setup.fstab":              "",
	"setup.nssdatabases":       "",
	"setup.services":           "",
	"zfs-dataset":              "there is no such source",
	"zfs-snapshot-options":     "there is no such source",
	"custom-session-cloneable": "there is no such source",
	"custom-session-purgeable": "there is no such source",
	"custom-source-cloneable":  "there is no such source",
}

// keep puts a key into an annotation, for the schroot command and for the way
// back.
func (t *translation) keep(key string) {
	t.done[key] = true
	if e, given := t.Given(key); given && e.Value != "" {
		t.doc.Object.GetAnnotations()[Annotations+key] = e.Value
	}
}

// modifiable are the keys that those who begin sessions may set by schroot -o.
func (t *translation) modifiable() {
	users, rootUsers := t.variables("user-modifiable-keys"), t.variables("root-modifiable-keys")
	if len(users)+len(rootUsers) > 0 {
		t.spec.HookVariables = &spec.HookVariables{Users: users, RootUsers: rootUsers}
	}
}

// variables are what scripts find under the keys that a key lists.
func (t *translation) variables(key string) []string {
	var list []string
	for _, name := range t.List(key) {
		switch {
		case !schrootconf.IsCustom(name) || strings.HasPrefix(name, "setup."):
			t.doc.note(t.at(key), "%s: %s cannot be changed for a session; of a profile of its own a session can have it", key, name)
		case !slices.Contains(list, schrootconf.Variable(name)):
			list = append(list, schrootconf.Variable(name))
		}
	}
	t.keep(key)
	return list
}

// rest goes through what is written and did not become a field.
func (t *translation) rest() {
	for _, e := range t.Entries {
		k, known := schrootconf.FindKey(e.Key)
		why, listed := withoutCounterpart[e.Key]
		switch {
		case e.Locale != "":
			t.doc.note(e.At, "%s[%s]=%s: there are no translations", e.Key, e.Locale, e.Value)
		case t.done[e.Key]:
		case known && !k.Of(t.Type()):
			t.doc.note(e.At, "%s=%s: schroot has no such key for type %s", e.Key, e.Value, t.Type())
		case schrootconf.IsCustom(e.Key) && !known:
			t.keep(e.Key)
			t.hookVariable(schrootconf.Variable(e.Key), e.Value)
		case listed && why == "": // what it stands for is in the profile
			t.keep(e.Key)
		case listed:
			t.doc.note(e.At, "%s=%s: %s", e.Key, e.Value, why)
			if !k.Ignored {
				t.keep(e.Key)
			}
		default:
			t.doc.note(e.At, "%s=%s: schroot knows no such key", e.Key, e.Value)
		}
	}
}
