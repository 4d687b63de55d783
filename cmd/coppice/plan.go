package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"coppice.dev/controller/socket/wire"
)

// planOptions say what is supposed, and how it is told.
type planOptions struct {
	applyOptions
	from    inputFlags
	without []string
	output  string
}

func newPlan(c *cli) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [-f FILE|FOLDER|-] [--prune -l LABELS] [--without KIND/NAME]",
		Short: "Show what the controller would make, change and take down",
		Long: `Show what the controller would make (+), change (~), take down (-) and leave though it
differs (!), if those manifests were applied: of the sessions in them, and of those that
are grown from their chroots and profiles. --prune and --to are those of apply; --without
is what delete would do. With none of them it is what is still to be done about the
manifests that are there. The machine is looked at by the controller's own planner, and
nothing is done. Only root may ask for it.

The exit code is 0 if there is nothing to do, 1 if there is something, be it that it is
left undone or cannot be done, 2 if that cannot be told.`,
		Example: `  coppice plan
  coppice plan -f manifests/ --prune -l team=a
  coppice plan --without session/build-1
  kustomize build . | coppice plan -f -`,
		Args: onlyFiles,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"text", "json", "yaml"}, o.output) {
				return usagef("-o %s: want text, json or yaml", o.output)
			}
			if len(o.from.names) == 0 && (o.prune || o.selection.given()) {
				return usagef("-l and --prune are about manifests; name them with -f")
			}
			if err := o.parse(); err != nil {
				return err
			}
			list, err := c.plan(cmd.Context(), o)
			if err != nil {
				return cannotTell(c.explain(err))
			}
			if o.output == "text" {
				printForecasts(c.output(), list)
			} else if err := encode(c.out, wire.Forecasts{Items: list}, o.output, false); err != nil {
				return err
			}
			if code := planCode(list); code != exitOK {
				return &codeError{code: code}
			}
			return nil
		},
	}
	o.from.flag(cmd, "")
	o.flags(cmd)
	cmd.Flags().StringArrayVar(&o.without, "without", nil, "KIND/NAME of an object that is supposed to be deleted; may be given more than once")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("without", c.completeReferences)
	return cmd
}

// plan asks the daemon what would be done.
func (c *cli) plan(ctx context.Context, o planOptions) ([]wire.Forecast, error) {
	supposed := wire.Plan{Lasting: o.to != "" && filepath.Clean(o.to) != c.ephemeral()}
	for _, word := range o.without {
		refs, err := parseReferences([]string{word})
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if _, err := c.one(ref); err != nil {
				return nil, err
			}
			supposed.Without = append(supposed.Without, wire.Key{Kind: ref.noun.kind, Name: ref.name})
		}
		if len(refs) == 0 {
			return nil, usagef("--without %s: want KIND/NAME, such as session/build-1", word)
		}
	}
	if len(o.from.names) > 0 {
		if err := c.suppose(&supposed, o); err != nil {
			return nil, err
		}
	}
	list, err := c.daemon().Plan(ctx, supposed)
	if err == nil && list == nil {
		list = []wire.Forecast{}
	}
	return list, err
}

// suppose adds what apply would put into its folder, and take away from it.
func (c *cli) suppose(supposed *wire.Plan, o planOptions) error {
	list, err := c.asked(o.from)
	if err == nil {
		list, err = o.of(list)
	}
	if err != nil {
		return err
	}
	for _, object := range list {
		text, err := text(object)
		if err != nil {
			return err
		}
		supposed.Manifests = append(supposed.Manifests, text)
	}
	if !o.prune {
		return nil
	}
	folder, err := c.folder(o.to)
	if err != nil {
		return err
	}
	left, err := leftovers(folder, list, o.selection)
	for _, l := range left {
		if l.kept == "" {
			supposed.Without = append(supposed.Without, wire.Key{Kind: l.ref.noun.kind, Name: l.ref.name})
		}
	}
	return err
}

// planCode is the exit code for what would be done.
func planCode(list []wire.Forecast) int {
	code := exitOK
	for _, f := range list {
		switch f.Outcome {
		case wire.OutcomeUnchanged:
		case wire.OutcomeUnknown:
			return exitUsage
		default:
			code = exitFailure
		}
	}
	return code
}
