package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"coppice.dev/test/built"
	"coppice.dev/test/vm/machine"
	"coppice.dev/test/vm/wire"
)

// suite are the packages whose tests depend on the kernel, the longest first, so
// that nobody waits for one that began last.
var suite = []string{
	"./test/e2e", "./reconcile/conformance", "./reconcile/kernel/...", "./controller/socket/...", "./cmd/coppice", "./cmd/internal/attach", "./manifests",
	"./status", "./test/crash/tracer",
}

// rest is what is run with -all only.
var rest = []string{"./test/soak"}

// some say which tests of a package are run unless all are wanted: those that say
// something about a kernel, as far as not others say the same. On an emulated processor
// the rest takes half an hour.
var some = map[string]choice{
	"./test/e2e":              {run: "^Test(LVM|Block|Every|Orphans|BootAfterAPowerCut|LookAlikes|Confined|Counted|FaultFanotify|TheSourceOfEveryKind|EndOfOneOfTwo|AFolderThatIsNotMounted)"},
	"./cmd/coppice":           {run: "^TestCop"},
	"./manifests":             {run: "^Test", skip: "^TestGlancesAgree$"},
	"./reconcile/kernel/tree": {skip: "^TestSaveKeepsAllAndCompressesAlike$"},
}

// choice is patterns of tests, as go test has them; empty for all and for none.
type choice struct{ run, skip string }

// one is the tests of one package, or a part of them.
type one struct {
	path, folder, binary string
	part                 choice // which tests
	key                  string // of its result
	output               bytes.Buffer
	done                 *wire.Done
}

// testCommand runs the tests and says what go test says.
func testCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("test", flag.ExitOnError)
	all := flags.Bool("all", false, "run also what takes long")
	fresh := flags.Bool("fresh", false, "run also what passed before and has not changed")
	run := flags.String("run", "", "only the tests that match this `pattern`; nothing is remembered")
	verbose := flags.Bool("v", false, "say what each test does")
	limit := flags.Duration("limit", 0, "how long the machine may live (default 35m, with -all 90m)")
	parallel := flags.Int("parallel", 2, "how many packages at the same time")
	console := flags.String("console", "", "keep the kernel's words in this `file`")
	_ = flags.Parse(args) // ends the program
	if *limit == 0 {
		if *limit = 35 * time.Minute; *all {
			*limit = 90 * time.Minute
		}
	}
	began := time.Now()
	k, err := newKit(ctx, false)
	if err != nil {
		return failed, err
	}
	defer k.close()
	patterns := flags.Args()
	if len(patterns) == 0 {
		patterns = suite
		if *all {
			patterns = slices.Concat(suite, rest)
		}
	}
	packages, err := k.tests(ctx, patterns, *run != "" || *all)
	if err != nil {
		return failed, err
	}
	remembered := *run == "" && !*verbose
	if remembered {
		if err := k.keys(packages, *all); err != nil {
			return failed, err
		}
	}
	var todo []*one
	passed := 0
	for _, p := range packages {
		if remembered && !*fresh && k.passed(p.key) {
			fmt.Printf("ok  \t%s\t(cached)\n", p.path)
			passed++
			continue
		}
		todo = append(todo, p)
	}
	try := func(todo []*one, parallel int) error {
		r, err := k.job(ctx, todo, parallel, *run, *verbose, *all, *limit)
		if err != nil {
			return err
		}
		if r.Console = *console; r.Console == "" {
			r.Console = filepath.Join(k.work, "console")
		}
		r.Said = func(m wire.Message) { k.said(m, todo, remembered) }
		limited, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("it took longer than %v", *limit))
		defer cancel()
		if err := r.Do(limited); err != nil {
			for _, p := range todo {
				if p.done == nil && p.output.Len() > 0 {
					fmt.Printf("%s\n    %s did not end\n", p.output.Bytes(), p.path)
				}
			}
			return broken(err, r.Console)
		}
		return nil
	}
	if len(todo) > 0 {
		if err := try(todo, *parallel); err != nil {
			return failed, err
		}
	}
	// On an emulated processor that others load, a test can miss its own deadline.
	// What fails twice, the second time alone, has another reason.
	if again := failures(todo); len(again) > 0 && len(again) <= most && remembered {
		if accel, err := machine.Accel(ctx, k.image, k.guest); err != nil || accel != machine.AccelTCG {
			return 1, err
		}
		say("%d of them are tried once more, alone, since the processor is an emulated one", len(again))
		for _, p := range again {
			p.output.Reset()
			p.done = nil
		}
		if err := try(again, 1); err != nil {
			return failed, err
		}
	}
	for _, p := range todo {
		if p.done != nil && p.done.Code == 0 {
			passed++
		}
	}
	say("%d of %d packages passed on Linux %s in %v", passed, len(packages), k.image.Release, time.Since(began).Round(time.Second))
	if passed < len(packages) {
		return 1, nil
	}
	return 0, nil
}

// patience has tests wait longer if the processor is an emulated one.
func (k *kit) patience(ctx context.Context) (env []string, err error) {
	accel, err := machine.Accel(ctx, k.image, k.guest)
	if err != nil || accel != machine.AccelTCG {
		return nil, err
	}
	return []string{built.Slowness + "=" + strconv.Itoa(slowness)}, nil
}

// slowness is how many times longer tests wait on an emulated processor.
const slowness = 4

// most is how many packages are tried again: more do not fail by chance.
const most = 2

// failures returns those that ended, and failed.
func failures(todo []*one) []*one {
	return slices.DeleteFunc(slices.Clone(todo), func(p *one) bool { return p.done == nil || p.done.Code == 0 })
}

// said takes in what the guest says about the packages.
func (k *kit) said(m wire.Message, todo []*one, remember bool) {
	switch {
	case m.Hello != nil:
		say("Linux %s started in %v; %d packages to test", m.Hello.Kernel, m.Hello.Boot.Round(10*time.Millisecond), len(todo))
	case m.Output != nil:
		p := todo[m.Output.Step]
		for line := range bytes.Lines(m.Output.Data) {
			if bytes.HasPrefix(line, []byte("--- FAIL")) { // the rest follows when the package has ended
				say("%s: %s", p.path, bytes.TrimSpace(line))
			}
		}
		p.output.Write(m.Output.Data)
	case m.Done != nil:
		p := todo[m.Done.Step]
		p.done = m.Done
		took := fmt.Sprintf("%.3fs", m.Done.Took.Seconds())
		if m.Done.Code != 0 {
			fmt.Printf("%s%s\nFAIL\t%s\t%s\n", p.output.Bytes(), m.Done.Why, p.path, took)
			return
		}
		if text := bytes.TrimSuffix(bytes.TrimSpace(p.output.Bytes()), []byte("PASS")); len(text) > 0 {
			fmt.Printf("%s", text)
		}
		fmt.Printf("ok  \t%s\t%s\n", p.path, took)
		if remember {
			k.remember(p.key)
		}
	}
}

// tests builds the tests of the packages, and the commands that they use. All is
// whether all tests of them are wanted.
func (k *kit) tests(ctx context.Context, patterns []string, all bool) ([]*one, error) {
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-f", `{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}`}, patterns...)...)
	list.Dir, list.Env, list.Stderr = k.module, append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	text, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	var packages []*one
	var paths []string
	for line := range strings.Lines(string(text)) {
		path, folder, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" {
			continue
		}
		var part choice
		if !all {
			part = some[strings.Replace(path, "coppice.dev/", "./", 1)]
		}
		packages = append(packages, &one{path: path, folder: folder, binary: filepath.Join(k.work, filepath.Base(path)+".test"), part: part})
		paths = append(paths, path)
	}
	// go list sorts; the given order is what is wanted.
	slices.SortStableFunc(packages, func(a, b *one) int { return place(patterns, a.path) - place(patterns, b.path) })
	if err := k.build(ctx, append([]string{"test", "-c", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", k.work + "/"}, paths...)...); err != nil {
		return nil, err
	}
	return packages, k.build(ctx, "build", "-trimpath", "-buildvcs=false", "-o", k.commands()+"/", "./cmd/...", "./test/crash")
}

// commands is the folder of the programs that tests use.
func (k *kit) commands() string { return filepath.Join(k.work, "commands") }

// place is the number of the pattern that the path matches.
func place(patterns []string, path string) int {
	for i, pattern := range patterns {
		prefix := strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/...")
		if relative := strings.TrimPrefix(path, "coppice.dev/"); relative == prefix || strings.HasPrefix(relative, prefix+"/") && strings.HasSuffix(pattern, "...") {
			return i
		}
	}
	return len(patterns)
}

var unsafeInNames = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// job is what the machine is to do.
func (k *kit) job(ctx context.Context, packages []*one, parallel int, run string, verbose, all bool, limit time.Duration) (machine.Run, error) {
	files, err := k.sources()
	if err != nil {
		return machine.Run{}, err
	}
	files["commands"] = k.commands()
	env, err := k.patience(ctx)
	if err != nil {
		return machine.Run{}, err
	}
	env = append(env, built.Variable+"="+wire.JobRoot+"/commands")
	job := wire.Job{Parallel: parallel}
	// A package that takes too long must have the time to say where it was.
	spare := limit / 20
	for _, p := range packages {
		relative, err := filepath.Rel(k.module, p.folder)
		if err != nil {
			return machine.Run{}, err
		}
		name := "tests/" + unsafeInNames.ReplaceAllString(relative, "-")
		files[name] = p.binary
		args := []string{wire.JobRoot + "/" + name, "-test.timeout=" + (limit - 2*spare).String()}
		if !all {
			args = append(args, "-test.short")
		}
		if pattern := cmp.Or(run, p.part.run); pattern != "" {
			args = append(args, "-test.run="+pattern)
		}
		if p.part.skip != "" {
			args = append(args, "-test.skip="+p.part.skip)
		}
		if verbose {
			args = append(args, "-test.v")
		}
		job.Steps = append(job.Steps, wire.Step{
			Name: p.path, Args: args, Dir: filepath.Join(wire.JobRoot, "src", relative), Timeout: limit - spare,
			Env: env,
		})
	}
	return machine.Run{Image: k.image, Guest: k.guest, Job: job, Files: files, Megabytes: 3072}, nil
}
