package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"coppice.dev/controller/socket/wire"
)

// far is how many letters apart names are that are not taken for each other.
const far = 3

// nearest returns that of some names which is most like a word; "" if none is, or the word
// is one of them. Of short ones little is left when two letters are others.
func nearest(word string, names []string) string {
	near, best := "", min(far, max(2, len(word)/2+1))
	for _, name := range names {
		switch d := distance(word, name); {
		case d == 0:
			return ""
		case d < best:
			near, best = name, d
		}
	}
	return near
}

// hint offers what was perhaps meant; nothing if that is not known.
func hint(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

// explainOf is explain for who named an object: of one that there is not it offers one that
// there is.
func (c *cli) explainOf(err error, refs ...reference) error {
	refusal, is := errors.AsType[*wire.Error](err)
	if err = c.explain(err); !is || refusal.Reason != "NotFound" {
		return err
	}
	for _, ref := range refs {
		if near := nearest(ref.name, c.names(ref.noun)); near != "" {
			return fmt.Errorf("%w%s", err, hint(near))
		}
	}
	return err
}

// wrongFlag is what is said of flags that cannot be read.
func wrongFlag(cmd *cobra.Command, err error) error {
	near := ""
	if unknown, is := errors.AsType[*pflag.NotExistError](err); is && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if name := nearest(unknown.GetSpecifiedName(), names); name != "" {
			near = "; did you mean --" + name + "?"
		}
	}
	if near == "" {
		near = "; see " + cmd.CommandPath() + " --help"
	}
	return usagef("%w%s", err, near)
}

// synonyms are what other programs call a command.
var synonyms = map[string][]string{
	"begin": {"start", "create", "new"}, "end": {"stop", "kill"}, "exec": {"enter", "attach"}, "shell": {"login", "ssh"},
	"cp": {"copy"}, "delete": {"remove"}, "describe": {"inspect", "status", "info"}, "logs": {"log", "journal"},
	"top": {"stats", "usage"}, "doctor": {"check"}, "apply": {"create"}, "validate": {"lint"},
}

// suggestions returns the commands below one that are perhaps meant by a word.
func suggestions(cmd *cobra.Command, word string) []string {
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	var names []string
	for _, below := range cmd.Commands() {
		if slices.Contains(synonyms[below.Name()], word) && !cmd.HasParent() {
			names = append(names, below.Name())
		}
	}
	if len(names) == 0 {
		names = cmd.SuggestionsFor(word)
	}
	return names
}
