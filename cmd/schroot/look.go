package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"coppice.dev/cmd/schroot/internal/args"
	"coppice.dev/cmd/schroot/internal/names"
	"coppice.dev/cmd/schroot/internal/view"
	"coppice.dev/controller/socket/wire"
)

// selected is a chroot, a source or a session, as it was asked for.
type selected struct {
	// typed is the name as it was given, or else the whole name.
	typed string
	// name is the one that was meant, an alias perhaps.
	name names.Name
	view.Facts
	// label is what Coppice calls it.
	label string
}

// look does what only looks.
func (f *front) look(ctx context.Context) error {
	if len(f.Chroots) == 0 && !f.AllChroots && !f.AllSources && !f.AllSessions {
		f.AllChroots, f.AllSources = true, f.Action != args.Location
	}
	if f.Action != args.List {
		f.ExcludeAliases = true // each is told of once
	}
	all, err := f.selection(ctx, names.Chroot)
	if err != nil {
		return err
	}
	facts := make([]view.Facts, 0, len(all))
	var lines strings.Builder
	for _, s := range all {
		facts = append(facts, s.Facts)
		switch f.Action {
		case args.List:
			fmt.Fprintln(&lines, s.typed)
		case args.Location:
			fmt.Fprintln(&lines, s.Path)
		}
	}
	text := lines.String()
	switch {
	case len(facts) == 0: // of which it was told
	case f.Action == args.Info:
		text = view.Info(facts)
	case f.Action == args.Config:
		text = view.Config(facts, time.Now())
	}
	_, err = io.WriteString(f.out, text)
	return err
}

// selection returns what was selected, by names or as all of some namespaces.
func (f *front) selection(ctx context.Context, usual names.Namespace) ([]selected, error) {
	if len(f.Chroots) > 0 {
		return f.named(ctx, f.Chroots, usual)
	}
	var of []names.Namespace
	for _, ns := range []struct {
		wanted bool
		names.Namespace
	}{{f.AllChroots, names.Chroot}, {f.AllSessions, names.Session}, {f.AllSources, names.Source}} {
		if ns.wanted {
			of = append(of, ns.Namespace)
		}
	}
	var facts []view.Facts
	labels := map[names.Name]string{}
	if f.AllChroots || f.AllSources {
		found, err := f.chroots(ctx, labels)
		if err != nil {
			return nil, err
		}
		if facts = found; len(facts) == 0 {
			f.say("W", args.Message{Text: "No chroots are defined in Coppice’s manifests"})
		}
	}
	if f.AllSessions {
		sessions, err := f.client.Sessions(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range sessions {
			one := view.OfSession(s)
			facts, labels[one.Name] = append(facts, one), s.Name
		}
	}
	all := view.Collect(facts)
	var list []selected
	for _, n := range all.Names(!f.ExcludeAliases, of...) {
		one, _ := all.Find(n)
		list = append(list, selected{n.String(), n, one, labels[one.Name]})
	}
	return list, nil
}

// chroots returns the facts of all chroots and their sources, and notes what
// Coppice calls them.
func (f *front) chroots(ctx context.Context, labels map[names.Name]string) ([]view.Facts, error) {
	chroots, err := f.client.Chroots(ctx)
	if err != nil {
		return nil, err
	}
	var facts []view.Facts
	for _, c := range chroots {
		one := view.OfChroot(c)
		facts, labels[one.Name] = append(facts, one), c.Name
		if source, is := view.OfSource(c); is {
			facts, labels[source.Name] = append(facts, source), c.Name
		}
	}
	return facts, nil
}

// named returns those of the names that were given.
func (f *front) named(ctx context.Context, typed []string, usual names.Namespace) ([]selected, error) {
	var list []selected
	var missing []string
	labels := map[names.Name]string{}
	var all *view.All // asked for when a chroot's name is to be found
	for _, text := range typed {
		n, known := names.Parse(text, usual)
		if !known {
			return nil, fail("%s: No such namespace", n.Namespace)
		}
		if n.Namespace == names.Session {
			one, label, err := f.session(ctx, n)
			if err != nil {
				return nil, err
			}
			if label == "" {
				missing = append(missing, text)
			}
			list = append(list, selected{text, n, one, label})
			continue
		}
		if all == nil {
			facts, err := f.chroots(ctx, labels)
			if err != nil {
				return nil, err
			}
			collected := view.Collect(facts)
			all = &collected
		}
		one, there := all.Find(n)
		if !there {
			missing = append(missing, text)
		}
		list = append(list, selected{text, n, one, labels[one.Name]})
	}
	switch len(missing) {
	case 0:
		return list, nil
	case 1:
		return nil, fail("%s: Chroot not found", missing[0])
	}
	return nil, fail("%s: Chroots not found", strings.Join(missing, ", "))
}

// session finds a session by the name that it was given, or that Coppice knows it
// by. The label is "" if there is none.
func (f *front) session(ctx context.Context, n names.Name) (view.Facts, string, error) {
	if !names.Valid(n.Name) {
		return view.Facts{}, "", nil
	}
	s, err := f.client.Session(ctx, names.Label(n.Name))
	if refusal, is := errors.AsType[*wire.Error](err); is && refusal.Reason == "NotFound" {
		return view.Facts{}, "", nil
	}
	if err != nil {
		return view.Facts{}, "", err
	}
	return view.OfSession(s), s.Name, nil
}
