package main

import (
	"fmt"

	"coppice.dev/cmd/internal/version"
	"coppice.dev/cmd/schroot/internal/view"
)

// version says which schroot this is like, in the place where programs look for
// it, and what it is.
func (f *front) version() error {
	_, err := fmt.Fprintf(f.out, "schroot (Coppice %s) %s\nThe command line of schroot over Coppice’s daemon\n", version.Number(), view.Release)
	return err
}

const help = `Usage:
  schroot  [OPTION…] [COMMAND] — run command or shell in a chroot

Actions:
  -h [ --help ]                   Show help options
  -V [ --version ]                Print version information
  -l [ --list ]                   List available chroots
  -i [ --info ]                   Show information about selected chroots
  --config                        Dump configuration of selected chroots
  --location                      Print location of selected chroots

General options:
  -q [ --quiet ]                  Show less output
  -v [ --verbose ]                Show more output

Chroot selection:
  -c [ --chroot ] arg             Use specified chroot
  -a [ --all ]                    Select all chroots and active sessions
  --all-chroots                   Select all chroots
  --all-sessions                  Select all active sessions
  --all-source-chroots            Select all source chroots
  --exclude-aliases               Do not include aliases

Chroot environment:
  -d [ --directory ] arg          Directory to use
  -s [ --shell ] arg              Shell to use as login shell
  -u [ --user ] arg               Username (default current user)
  -p [ --preserve-environment ]   Preserve user environment
  -o [ --option ] arg             Set option
  --isolate-network               Give the command a network of its own

Session actions:
  --automatic-session             Begin, run and end a session automatically 
                                  (default)
  -b [ --begin-session ]          Begin a session; returns a session ID
  --recover-session               Recover an existing session
  -r [ --run-session ]            Run an existing session
  -e [ --end-session ]            End an existing session

Session options:
  -n [ --session-name ] arg       Session name (defaults to an automatically 
                                  generated name)
  -f [ --force ]                  Force operation, even if it fails
`
