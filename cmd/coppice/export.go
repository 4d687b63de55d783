package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"coppice.dev/cmd/internal/schrootconf"
	"coppice.dev/cmd/internal/schrootspec"
	"coppice.dev/cmd/internal/version"
	"coppice.dev/spec"
)

func newExport(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export schroot",
		Short: "Turn chroots into the configuration of another program",
		Args:  subcommand,
		RunE: func(*cobra.Command, []string) error {
			return usagef("for what is to be exported? Try coppice export schroot")
		},
	}
	cmd.AddCommand(newExportSchroot(c))
	return cmd
}

func newExportSchroot(c *cli) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "schroot [CHROOT...]",
		Short: "Turn chroots into a file for schroot's chroot.d",
		Long: `Turn chroots into a file for schroot's chroot.d: those of the controller, or with
-f those of manifests; all of them, or the ones that are named. What schroot has no
counterpart for is told in comments. What came from schroot by coppice import is
there again as it was.`,
		Example: `  coppice export schroot bookworm > /etc/schroot/chroot.d/bookworm
  coppice export schroot -f chroots/`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return c.names(nounOf(spec.KindChroot)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			chroots, err := c.chrootsToExport(cmd.Context(), files)
			if err != nil {
				return err
			}
			return c.exportSchroot(chroots, args)
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "manifests to export from: a file, a folder, or - for standard input; may be given more than once")
	return cmd
}

// chrootsToExport returns those of manifests if there are some, else the
// controller's.
func (c *cli) chrootsToExport(ctx context.Context, files []string) ([]*spec.Chroot, error) {
	var chroots []*spec.Chroot
	if len(files) == 0 {
		list, err := c.daemon().Chroots(ctx)
		for _, item := range list {
			chroots = append(chroots, &spec.Chroot{
				TypeMeta:   metav1.TypeMeta{APIVersion: spec.APIVersion, Kind: spec.KindChroot},
				ObjectMeta: metav1.ObjectMeta{Name: item.Name, Annotations: item.Annotations},
				Spec:       item.Spec,
			})
		}
		return chroots, err
	}
	list, err := c.asked(inputFlags{names: files})
	for _, o := range list {
		if chroot, is := o.(*spec.Chroot); is {
			chroots = append(chroots, chroot)
		}
	}
	return chroots, err
}

// exportSchroot prints the chroots of those names, which may be schroot's, or all
// if there are none.
func (c *cli) exportSchroot(chroots []*spec.Chroot, names []string) error {
	var sections []schrootconf.Chroot
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	for _, chroot := range chroots {
		section := schrootspec.Export(chroot)
		if len(names) == 0 || wanted[chroot.Name] || wanted[section.Name] {
			sections = append(sections, section)
		}
		delete(wanted, chroot.Name)
		delete(wanted, section.Name)
	}
	for _, name := range names {
		if wanted[name] {
			return fmt.Errorf("there is no chroot %q; see coppice get chroots%s", name, hint(nearest(name, c.names(nounOf(spec.KindChroot)))))
		}
	}
	if len(sections) == 0 {
		return fmt.Errorf("there are no chroots to export")
	}
	comment := fmt.Sprintf("made by coppice %s from its chroots on %s", version.Number(), time.Now().Format(time.DateOnly))
	return schrootconf.WriteGiven(c.out, comment, sections)
}
