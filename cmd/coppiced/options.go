package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"coppice.dev/cmd/internal/monitor"
	"coppice.dev/controller"
	"coppice.dev/controller/budget"
	"coppice.dev/reconcile/layout"
)

// defaultManifestDir is watched if no --manifest-dir is given.
const defaultManifestDir = "/etc/coppice/manifests.d"

// options are what the command line says.
type options struct {
	manifestDirs []string
	recursive    bool
	stateDir     string
	runDir       string
	once         bool
	output       string
	logFormat    string
	logLevel     string
	workers      int
	resync       time.Duration
	keepUnpacked time.Duration
	maxPrune     int
	limits       budget.Limits
	upperImages  bool
	socketMode   uint32
	socketGroup  string

	metricsListen  []string
	metricsRemote  bool
	measureUppers  time.Duration
	metricsAddress []monitor.Address // what metricsListen says
}

func (o *options) register(flags *pflag.FlagSet) {
	o.socketMode = 0o666
	flags.StringArrayVar(&o.manifestDirs, "manifest-dir", nil,
		"folder of manifests to watch; may be given more than once (default "+defaultManifestDir+")")
	flags.BoolVar(&o.recursive, "recursive", false, "watch the folders in each --manifest-dir too, but for hidden ones")
	flags.StringVar(&o.stateDir, "state-dir", "/var/lib/coppice", "folder for what survives a reboot")
	flags.StringVar(&o.runDir, "run-dir", "/run/coppice", "folder for what does not; its subfolder manifests is watched too")
	flags.BoolVar(&o.once, "once", false, "converge once, then end: 0 if all is ready, 1 if not")
	flags.StringVarP(&o.output, "output", "o", "text", "how --once reports: text or json")
	flags.StringVar(&o.logFormat, "log-format", "", "text, json, or journal: systemd's, with a field for each thing that is known (default journal where standard error leads there, else text)")
	flags.StringVar(&o.logLevel, "log-level", "info", "error, info, debug or trace")
	flags.IntVar(&o.workers, "workers", 4, "how many sessions are worked on at the same time")
	flags.Var((*octal)(&o.socketMode), "socket-mode", "who may connect to the socket, as for chmod; what they may do is decided by the chroots' access lists")
	flags.StringVar(&o.socketGroup, "socket-group", "", "the socket's group")
	flags.IntVar(&o.maxPrune, "max-prune", controller.DefaultMaxPrune,
		"how many of a folder's sessions may go at the same time without asking, if they are more than half of them; -1 for any number")
	o.limits.Space, o.limits.Files = budget.Share{Percent: 1}, budget.Share{Percent: 1}
	flags.Var(&o.limits.Space, "min-free-space", "how much of the disk of --state-dir, and of --run-dir in memory, is to stay free for a session to be begun: 5%, 10Gi, or 0 for nothing")
	flags.Var(&o.limits.Files, "min-free-inodes", "how many of their inodes: 5%, 100000, or 0")
	flags.IntVar(&o.limits.Sessions, "max-sessions", 0, "how many sessions there may be; others wait, who came first is first; 0 for any number")
	flags.IntVar(&o.limits.Loops, "max-loop-devices", 0, "how many loop devices the host may have in use, by whomsoever, before no session is begun that takes one; 0 for any number")
	flags.IntVar(&o.limits.Mounts, "max-mounts", 0, "how many mounts the host may have, by whomsoever, before no session is begun; 0 for as many as sysctl fs.mount-max says")
	flags.BoolVar(&o.upperImages, "upper-images", false, "limit what sessions write on disk by an image for each, also where the file system of --state-dir keeps project quotas, which people inside can evade")
	flags.DurationVar(&o.keepUnpacked, "keep-unpacked", time.Hour, "how long an archive that a Chroot names stays unpacked when no session stands on it; 0 is not at all")
	flags.StringArrayVar(&o.metricsListen, "metrics-listen", nil,
		"where metrics, /healthz, /readyz and a page to look at are served: 127.0.0.1:9754, or unix:/run/coppice/metrics.sock; may be given more than once (default nowhere)")
	flags.BoolVar(&o.metricsRemote, "metrics-allow-remote", false, "let --metrics-listen be an address that other machines can reach, without a password or encryption")
	flags.DurationVar(&o.measureUppers, "measure-uppers", time.Hour, "how often what sessions hold on disk is added up, slowly, while somebody reads the metrics; 0 is never")
	flags.DurationVar(&o.resync, "resync", 45*time.Second, "how often everything is looked at again without a cause")
}

// complete fills in what was left out and makes every path absolute and clean.
func (o *options) complete() error {
	o.logFormat = cmp.Or(o.logFormat, usualFormat())
	if len(o.manifestDirs) == 0 {
		o.manifestDirs = []string{defaultManifestDir}
	}
	for i := range o.manifestDirs {
		if err := absolute("--manifest-dir", &o.manifestDirs[i]); err != nil {
			return err
		}
	}
	if err := absolute("--state-dir", &o.stateDir); err != nil {
		return err
	}
	if err := absolute("--run-dir", &o.runDir); err != nil {
		return err
	}
	if o.stateDir == o.runDir {
		return errors.New("--state-dir and --run-dir must be two folders")
	}
	if o.workers < 1 {
		return fmt.Errorf("--workers %d: at least one is needed", o.workers)
	}
	if o.output != "text" && o.output != "json" {
		return fmt.Errorf("--output %q: want text or json", o.output)
	}
	if o.socketGroup != "" {
		if _, err := groupID(o.socketGroup); err != nil {
			return err
		}
	}
	if o.maxPrune < -1 {
		return fmt.Errorf("--max-prune %d: want a number, or -1 for any", o.maxPrune)
	}
	for flag, n := range map[string]int{"--max-sessions": o.limits.Sessions, "--max-loop-devices": o.limits.Loops, "--max-mounts": o.limits.Mounts} {
		if n < 0 {
			return fmt.Errorf("%s %d: want a number, or 0 for any", flag, n)
		}
	}
	if o.resync < time.Second {
		return fmt.Errorf("--resync %s: at least 1s", o.resync)
	}
	for _, text := range o.metricsListen {
		address, err := monitor.Parse(text, o.metricsRemote)
		if err != nil {
			return fmt.Errorf("--metrics-listen %w", err)
		}
		o.metricsAddress = append(o.metricsAddress, address)
	}
	if o.measureUppers < 0 {
		return fmt.Errorf("--measure-uppers %s: want a time, or 0 for never", o.measureUppers)
	}
	if o.keepUnpacked < 0 {
		return fmt.Errorf("--keep-unpacked %s: want a time, or 0 for not at all", o.keepUnpacked)
	}
	// The folder is watched anyway; naming it as a lasting one too would give
	// every manifest in it twice.
	ephemeral := o.layout().Manifests()
	o.manifestDirs = slices.DeleteFunc(o.manifestDirs, func(dir string) bool { return dir == ephemeral })
	slices.Sort(o.manifestDirs)
	o.manifestDirs = slices.Compact(o.manifestDirs)
	if o.recursive {
		for _, dir := range o.manifestDirs {
			if j := slices.IndexFunc(o.manifestDirs, func(other string) bool { return other != dir && within(dir, other) }); j >= 0 {
				return fmt.Errorf("--manifest-dir %s lies in %s, which is watched with all that is in it: leave it out", dir, o.manifestDirs[j])
			}
			if within(o.runDir, dir) || within(o.stateDir, dir) {
				return fmt.Errorf("--manifest-dir %s holds what coppiced itself writes: choose another folder", dir)
			}
		}
	}
	for _, dir := range o.manifestDirs {
		if within(dir, o.layout().Status()) || within(dir, o.stateDir) {
			return fmt.Errorf("--manifest-dir %s lies among what coppiced itself writes: choose another folder", dir)
		}
	}
	return nil
}

func (o *options) layout() layout.Layout { return layout.Layout{State: o.stateDir, Run: o.runDir} }

func absolute(flag string, path *string) error {
	if *path == "" {
		return fmt.Errorf("%s: the path is empty", flag)
	}
	abs, err := filepath.Abs(*path)
	if err != nil {
		return fmt.Errorf("%s %s: %w", flag, *path, err)
	}
	*path = abs
	return nil
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// octal is a file's mode on the command line.
type octal uint32

// String implements pflag.Value.
func (o *octal) String() string { return fmt.Sprintf("%04o", uint32(*o)) }

// Type implements pflag.Value.
func (*octal) Type() string { return "mode" }

// Set implements pflag.Value.
func (o *octal) Set(text string) error {
	mode, err := strconv.ParseUint(text, 8, 9)
	if err != nil {
		return errors.New("want a mode such as 0660")
	}
	*o = octal(mode)
	return nil
}
