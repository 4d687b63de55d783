package schrootspec

import (
	"strings"

	"coppice.dev/cmd/internal/schrootconf"
)

// withoutCounterpart says what becomes of keys that no field stands for.
var withoutCounterpart = map[string]string{
	"message-verbosity":        "the schroot command heeds it, no other does",
	"user-modifiable-keys":     "nothing of a session can be changed by a key",
	"root-modifiable-keys":     "nothing of a session can be changed by a key",
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

// variable is what scripts find the value of a key of people's own under.
func variable(key string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
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
			t.hookVariable(variable(e.Key), e.Value)
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
