package main

import (
	"context"
	"errors"

	"coppice.dev/cmd/schroot/internal/args"
	"coppice.dev/cmd/schroot/internal/names"
	"coppice.dev/controller/socket/wire"
)

// onSessions does what is done to sessions that there are, one after the other.
// What fails ends it.
func (f *front) onSessions(ctx context.Context) error {
	if len(f.Chroots) == 0 && !f.AllChroots && !f.AllSources && !f.AllSessions {
		return &failure{args.Message{Text: "The specified chroots are not defined", More: "Name a session with --chroot, or use --all-sessions"}}
	}
	list, err := f.selection(ctx, names.Session)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Namespace != names.Session && len(f.Chroots) > 0 {
			return fail("%s: Chroot not found", s.typed) // as a session, of which this is
		}
	}
	for _, s := range list {
		if s.Namespace != names.Session {
			continue
		}
		switch f.Action {
		case args.Run:
			err = f.inside(ctx, s)
		case args.Recover:
			// The daemon does so by itself, at once; there is only to wait for it.
			err = f.ready(ctx, s.label)
		default:
			err = f.end(context.WithoutCancel(ctx), s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// automatic begins a session of each chroot, runs the command in it and ends it.
func (f *front) automatic(ctx context.Context) error {
	if len(f.Chroots) == 0 && !f.AllChroots && !f.AllSources && !f.AllSessions {
		f.Chroots = []string{"default"}
	}
	f.ExcludeAliases = true // in each once
	list, err := f.selection(ctx, names.Chroot)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Namespace == names.Session {
			err = f.inside(ctx, s)
		} else {
			err = f.once(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// once runs the command in a session that begins and ends with it.
func (f *front) once(ctx context.Context, chroot selected) error {
	s, err := f.begin(ctx, chroot, true)
	if err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = f.client.End(lasting, s.label) }) // what does not heed a signal ends with the session
	defer stop()
	err = f.inside(lasting, s)
	if failed := f.end(lasting, s); failed != nil && err == nil {
		err = failed
	}
	return err
}

// end ends a session, and waits until its name is free. That somebody else has
// ended it meanwhile is no mistake.
//
// What was written into an archive is packed into its place first, as schroot does
// at the end of such a session.
func (f *front) end(ctx context.Context, s selected) error {
	if s.Repacked {
		if err := f.save(ctx, s); err != nil && !f.Force {
			return err
		} else if err != nil {
			f.say("W", f.words(err))
		}
	}
	err := f.client.End(ctx, s.label)
	if refusal, is := errors.AsType[*wire.Error](err); is && refusal.Reason == "NotFound" {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.gone(ctx, s.label); err != nil {
		return fail("%s: %v", s.Name.Name, err)
	}
	return nil
}

// finish ends a session that came to nothing.
func (f *front) finish(ctx context.Context, s selected) {
	if err := f.end(ctx, s); err != nil {
		f.say("E", f.words(err))
	}
}
