package schrootspec

import (
	"path"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// Import turns a configuration into documents: the profiles that its chroots
// name, and the chroots. read reads the files of a chroot's profile.
func Import(c schrootconf.Configuration, read func(schrootconf.Chroot) schrootconf.Profile) []Document {
	var names []string
	for _, chroot := range c.Chroots {
		names = append(names, chroot.Name)
	}
	p := profiles{labels: labels{}, scripts: own(c.Scripts), made: map[string]string{}}
	labelled := labels{}.reserve(names)
	aliases := taken(labelled)
	var chroots []Document
	for _, chroot := range c.Chroots {
		d := imported(chroot, labelled[chroot.Name], aliases)
		if len(p.scripts) > 0 && chroot.Type() != schrootconf.Plain {
			tellScripts(d.Object.(*spec.Chroot), chroot, c.Folder)
		}
		if chroot.Type() != schrootconf.Plain && len(d.Refused) == 0 {
			d.Object.(*spec.Chroot).Spec.ProfileRef = &spec.Reference{Name: p.of(chroot, read(chroot))}
		}
		d.judge()
		chroots = append(chroots, d)
	}
	return append(p.documents, chroots...)
}

// taken returns the names that no alias may have any more.
func taken(labels map[string]string) map[string]bool {
	names := map[string]bool{}
	for name, label := range labels {
		names[name], names[label] = true, true
	}
	return names
}

// translation is of one chroot.
type translation struct {
	schrootconf.Chroot
	doc  *Document
	spec *spec.ChrootSpec
	// done are the keys that became fields.
	done map[string]bool
}

// imported turns a chroot into a document. Its aliases are added to those taken.
func imported(c schrootconf.Chroot, label string, aliases map[string]bool) Document {
	object := &spec.Chroot{
		TypeMeta:   metav1.TypeMeta{APIVersion: spec.APIVersion, Kind: spec.KindChroot},
		ObjectMeta: metav1.ObjectMeta{Name: label, Annotations: map[string]string{}},
	}
	d := Document{Object: object, From: c.At, About: "chroot " + c.Name + ", of type " + string(c.Type())}
	t := translation{Chroot: c, doc: &d, spec: &object.Spec, done: map[string]bool{"type": true, "profile": true, "script-config": true}}
	if label != c.Name {
		object.Annotations[Name] = c.Name
		t.doc.note(c.At, "it is called %s here: a name is made of lower-case letters, digits and dashes", label)
		t.hookVariable("CHROOT_NAME", c.Name)
	}
	t.source()
	t.union()
	t.access()
	t.commands()
	t.aliases(aliases)
	t.spec.Description = t.take("description")
	t.modifiable()
	t.rest()
	if e, given := c.Given("profile"); given && c.Type() == schrootconf.Plain {
		t.doc.note(e.At, "profile=%s: a plain chroot has none", e.Value)
	}
	if p := c.Text("profile"); c.Type() != schrootconf.Plain && p != "" {
		object.Annotations[Annotations+"profile"] = p
	}
	if e, given := c.Given("script-config"); given {
		t.doc.note(e.At, "script-config=%s: the files beside it are the profile; schroot prefers profile=", e.Value)
		t.keep("script-config")
	}
	if len(object.Annotations) == 0 {
		object.Annotations = nil
	}
	return d
}

// take returns the value of a key that becomes a field.
func (t *translation) take(key string) string {
	t.done[key] = true
	return t.Text(key)
}

// takeList is take for a list with commas.
func (t *translation) takeList(key string) []string {
	t.done[key] = true
	return t.List(key)
}

// at returns where the key is written, or else the chroot.
func (t *translation) at(key string) schrootconf.Position {
	if e, given := t.Given(key); given {
		return e.At
	}
	return t.At
}

// path is take for an absolute path, without what spec does not want in it.
func (t *translation) path(key string) string {
	value := t.take(key)
	if value == "" || !path.IsAbs(value) {
		return value
	}
	return path.Clean(value)
}

func (t *translation) hookVariable(name, value string) { hookVariable(t.spec, name, value) }

func hookVariable(c *spec.ChrootSpec, name, value string) {
	if c.HookEnvironment == nil {
		c.HookEnvironment = map[string]string{}
	}
	c.HookEnvironment[name] = value
}

// tellScripts has scripts told what a session does not know of its chroot.
func tellScripts(object *spec.Chroot, c schrootconf.Chroot, folder string) {
	for name, value := range map[string]string{"CHROOT_DESCRIPTION": c.Text("description"), "CHROOT_PROFILE": c.Text("profile"), "CHROOT_SCRIPT_CONFIG": c.Text("script-config")} {
		if value != "" {
			hookVariable(&object.Spec, name, value)
		}
	}
	if p := c.Text("profile"); p != "" {
		hookVariable(&object.Spec, "CHROOT_PROFILE_DIR", path.Join(folder, p))
	}
	if folder != usual {
		hookVariable(&object.Spec, "SYSCONF_DIR", folder)
	}
}

// usual is where schroot's configuration usually is.
const usual = "/etc/schroot"

// EndIdle has sessions that the command schroot begins of the chroots end when
// nobody was inside for that long.
func EndIdle(documents []Document, after time.Duration) {
	for _, d := range documents {
		chroot, is := d.Object.(*spec.Chroot)
		if !is {
			continue
		}
		if chroot.Annotations == nil {
			chroot.Annotations = map[string]string{}
		}
		chroot.Annotations[schrootconf.IdleTimeout] = after.String()
	}
}
