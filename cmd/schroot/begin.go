package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/schroot/internal/args"
	"coppice.dev/cmd/schroot/internal/names"
	"coppice.dev/controller/socket/wire"
	"coppice.dev/spec"
)

// beginOne begins a session and prints its name, and nothing but that: it is what
// callers read. One that fails leaves nothing behind.
func (f *front) beginOne(ctx context.Context) error {
	list, err := f.named(ctx, f.Chroots, names.Chroot)
	if err != nil {
		return err
	}
	s, err := f.begin(ctx, list[0], false)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f.out, s.Name.Name)
	return err
}

// longKey is the most bytes of a key with its value that a session takes over from
// its chroot: the daemon takes only so many in all.
const longKey = 256

// begin begins a session of a chroot, or of its source, and waits until it can be
// used. One that is bound ends with this process, whatever ends that.
func (f *front) begin(ctx context.Context, chroot selected, bound bool) (selected, error) {
	if chroot.Namespace == names.Session {
		return selected{}, fail("%s: It is a session already; a session is begun of a chroot", chroot.typed)
	}
	set, err := f.set(chroot)
	if err != nil {
		return selected{}, err
	}
	name := f.Name
	if name == "" {
		name = chroot.Name.Name + "-" + uuid()
	}
	label := names.Label(name)
	request := wire.Begin{
		Name: label, Chroot: chroot.asked(), HookEnvironment: set, Source: chroot.Namespace == names.Source, Bound: bound, Expose: spec.ExposeTree,
		Annotations: map[string]string{names.Annotation: name, names.Original: chroot.Name.Name, names.Selected: chroot.name.Name},
	}
	if chroot.IdleTimeout != "" && !bound {
		request.IdleTimeout = f.idleTimeout(chroot.IdleTimeout)
	}
	maps.Copy(chroot.Kept, f.given())
	chroot.Kept["description"] = chroot.Description
	for key, value := range chroot.Kept {
		if len(key)+len(value) <= longKey {
			request.Annotations[schrootconf.Domain+key] = value
		}
	}
	// An answer that nobody waits for would leave a session that nobody knows.
	_, err = f.client.Begin(context.WithoutCancel(ctx), request)
	if refusal, is := errors.AsType[*wire.Error](err); is && refusal.Reason == "AlreadyExists" {
		return selected{}, fail("%s: There is a session of that name already", name)
	}
	if err != nil {
		return selected{}, err
	}
	session := selected{typed: name, name: names.Name{Namespace: names.Session, Name: name}, label: label}
	if err := f.ready(ctx, label); err != nil {
		f.say("E", f.words(err))
		session.Repacked = false
		f.finish(context.WithoutCancel(ctx), session)
		return selected{}, fail("%s: Chroot setup failed: stage=setup-start", name)
	}
	found, _, err := f.session(ctx, session.name)
	session.Facts = found
	session.Name = session.name
	return session, err
}

// idleTimeout reads how long a session may be idle; nil, and a warning, if that is
// no time.
func (f *front) idleTimeout(text string) *metav1.Duration {
	d, err := time.ParseDuration(text)
	if err == nil && d > 0 {
		return &metav1.Duration{Duration: d}
	}
	f.say("W", args.Message{
		Text: fmt.Sprintf("%s=%s is no time such as 24h: the session lasts until it is ended", schrootconf.IdleTimeout, text),
		More: "Have root mend the chroot’s annotation",
	})
	return nil
}

// asked is the name of the chroot to ask for: an alias, if that was given, so that
// hooks are told it.
func (s selected) asked() string {
	if slices.Contains(s.Aliases, s.name.Name) {
		return s.name.Name
	}
	return s.label
}

// set returns the variables that hooks are to be told for the keys that were given.
// The daemon decides on them too; this one knows their names.
func (f *front) set(chroot selected) (map[string]string, error) {
	set := map[string]string{}
	for _, pair := range f.Set {
		root := os.Getuid() == 0 || f.User == "root"
		if !chroot.Modifiable(pair.Key, root) {
			where := "user-modifiable-keys"
			if root {
				where += " or root-modifiable-keys"
			}
			return nil, &failure{args.Message{
				Text: fmt.Sprintf("Configuration key ‘%s’ is not permitted to be modified.", pair.Key), More: "The key is not present in " + where,
			}}
		}
		set[schrootconf.Variable(pair.Key)] = pair.Value
	}
	return set, nil
}

// given returns the keys that were given.
func (f *front) given() map[string]string {
	keys := map[string]string{}
	for _, pair := range f.Set {
		keys[pair.Key] = pair.Value
	}
	return keys
}

// uuid returns a random one, version 4 (RFC 9562).
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
