package schrootspec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/spec"
)

// prefix begins the names of profiles that were schroot's, so that none takes the
// place of a built-in one.
const prefix = "schroot-"

// profiles gathers those that chroots use; chroots with the same keys share one.
type profiles struct {
	labels    labels
	scripts   []string
	made      map[string]string // names, by the keys that say what is in it
	documents []Document
}

// profileKeys are the keys that say what is in a chroot's profile.
var profileKeys = []string{"profile", "script-config", "setup.config", "setup.fstab", "setup.copyfiles", "setup.nssdatabases", "setup.services"}

// of returns the name of a chroot's profile.
func (p *profiles) of(c schrootconf.Chroot, files schrootconf.Profile) string {
	var key []string
	own := false
	for _, k := range profileKeys {
		key = append(key, c.Text(k))
		_, given := c.Given(k)
		own = own || given && strings.HasPrefix(k, "setup.")
	}
	id := strings.Join(key, "\x00")
	if name, is := p.made[id]; is {
		return name
	}
	source := c.Text("profile")
	if e, given := c.Given("script-config"); given {
		source = path.Dir(e.Value)
	}
	name := prefix + strings.ReplaceAll(source, "/", "-")
	if own {
		name = prefix + c.Name
	}
	label := p.labels.label(name)
	p.made[id] = label
	p.documents = append(p.documents, p.document(label, source, c, files))
	return label
}

// profile is one in the making.
type profile struct {
	*Document
	spec *spec.ProfileSpec
}

func (p *profiles) document(label, source string, c schrootconf.Chroot, files schrootconf.Profile) Document {
	object := &spec.Profile{
		TypeMeta:   metav1.TypeMeta{APIVersion: spec.APIVersion, Kind: spec.KindProfile},
		ObjectMeta: metav1.ObjectMeta{Name: label},
	}
	d := Document{Object: object, From: c.At, About: fmt.Sprintf("profile %s, as chroot %s uses it", source, c.Name)}
	made := profile{&d, &object.Spec}
	for _, problem := range files.Problems {
		d.note(problem.At, "%s", strings.TrimPrefix(problem.Key+": "+problem.Message, ": "))
	}
	if files.Config != "" {
		d.note(schrootconf.Position{File: files.Config}, "it is shell code for schroot's own scripts, which are not run here; what it does belongs into a hook")
	}
	for _, m := range files.Mounts {
		made.mount(m)
	}
	for _, l := range files.Copied {
		made.copied(l)
	}
	for _, l := range files.Databases {
		made.database(l)
	}
	made.chrootName()
	for _, service := range c.List("setup.services") {
		made.service(service)
	}
	for _, script := range p.scripts {
		made.script(script)
	}
	d.judge()
	return d
}

// copied adds a file. One that goes elsewhere is shown there instead: copies keep
// their path.
func (p profile) copied(l schrootconf.Line) {
	switch {
	case !path.IsAbs(l.Text) || l.To != "" && !path.IsAbs(l.To):
		p.note(l.At, "%s: schroot copies no relative paths either", strings.TrimSpace(l.Text+" "+l.To))
	case l.To == "" || l.To == l.Text:
		if !slices.Contains(p.spec.CopyFiles, path.Clean(l.Text)) {
			p.spec.CopyFiles = append(p.spec.CopyFiles, path.Clean(l.Text))
		}
	default:
		p.note(l.At, "%s is not copied to %s, but shown there, and cannot be written to", l.Text, l.To)
		p.addMount(l.At, spec.Mount{Type: spec.MountBind, Source: path.Clean(l.Text), Target: path.Clean(l.To), Options: []string{"ro"}})
	}
}

// database adds a name service database that this version can list.
func (p profile) database(l schrootconf.Line) {
	name := strings.TrimSpace(l.Text + " " + l.To)
	if slices.Contains(p.spec.NSSDatabases, name) {
		return
	}
	if why := refusal(spec.ProfileSpec{NSSDatabases: []string{name}}); why != "" {
		p.note(l.At, "%s: %s", name, why)
		return
	}
	p.spec.NSSDatabases = append(p.spec.NSSDatabases, name)
}

// refusal says why a profile cannot be used; "" if it can.
func refusal(s spec.ProfileSpec) string {
	for _, e := range spec.Validate(&spec.Profile{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: s}) {
		return reason(e)
	}
	return ""
}
