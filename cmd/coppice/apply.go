package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"coppice.dev/cmd/internal/presence"
	"coppice.dev/manifests"
	"coppice.dev/spec"
)

func newApply(c *cli) *cobra.Command {
	var files []string
	var to string
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER|-",
		Short: "Ask for what manifests say",
		Long: `Ask for what manifests say: put each object into a watched folder, as a file of
its own. That is the controller's folder for what a reboot sweeps away, unless
--to names another. Nothing is put there if anything is wrong with any of them.`,
		Example: `  coppice apply -f session.yaml
  coppice apply -f build/ --to /etc/coppice/manifests.d`,
		Args: onlyFiles,
		RunE: func(*cobra.Command, []string) error {
			if len(files) == 0 {
				return usagef("what is to be applied? Name it with -f, or -f - for standard input")
			}
			inputs, err := c.readInputs(files)
			if err != nil {
				return err
			}
			if c.report(inputs) > 0 {
				return errProblems
			}
			list, err := objects(inputs)
			if err != nil {
				return err
			}
			return c.apply(list, cmp.Or(to, c.ephemeral()))
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file, folder, or - for standard input; may be given more than once")
	cmd.Flags().StringVar(&to, "to", "", "the watched folder to put them into")
	return cmd
}

// ephemeral is the watched folder whose manifests a reboot sweeps away.
func (c *cli) ephemeral() string {
	if facts, running, err := presence.Look(c.runDir); err == nil && running {
		return facts.EphemeralDir
	}
	return c.layout().Manifests()
}

// apply drops each object into the folder.
func (c *cli) apply(list []spec.Object, folder string) error {
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("there is no folder %s; is coppiced running, and is --run-dir (or COPPICE_RUN_DIR) the same as its own?", folder)
	}
	for _, o := range list {
		if err := c.elsewhere(o, folder); err != nil {
			return err
		}
	}
	for _, o := range list {
		key := manifests.Key{Kind: o.GetKind(), Name: o.GetName()}
		_, err := os.Lstat(filepath.Join(folder, manifests.FileName(key)))
		did := "configured"
		if err != nil {
			did = "created"
		}
		text, err := yaml.Marshal(o)
		if err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
		changed, err := manifests.Drop(folder, key, text)
		if err != nil {
			return err
		}
		if !changed {
			did = "unchanged"
		}
		fmt.Fprintf(c.out, "%s %s\n", key, did)
	}
	if gone := c.controllerGone(); gone != "" {
		fmt.Fprintln(c.errOut, "coppice: "+gone)
	}
	return nil
}

// elsewhere refuses an object that is written in another file already: two
// manifests of one name are refused both.
func (c *cli) elsewhere(o spec.Object, folder string) error {
	key := manifests.Key{Kind: o.GetKind(), Name: o.GetName()}
	file, err := c.peek(reference{nounOf(key.Kind), key.Name})
	if err != nil || file == nil || file.Status.Source == nil {
		return err
	}
	at := file.Status.Source.Manifest
	if at == filepath.Join(folder, manifests.FileName(key)) {
		return nil
	}
	if _, err := os.Stat(at); err == nil {
		return fmt.Errorf("%s is written in %s already; change it there", key, at)
	}
	return nil // it was, and is just going
}

func referenceTo(o spec.Object) reference { return reference{nounOf(o.GetKind()), o.GetName()} }

// onlyFiles refuses arguments where -f was meant.
func onlyFiles(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q: name files with -f", args[0])
	}
	return nil
}
