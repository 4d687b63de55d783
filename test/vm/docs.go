package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"coppice.dev/test/docs"
	"coppice.dev/test/vm/wire"
)

// docsCommand runs the commands of documents, each as root on a Debian with systemd
// where nobody has been before, in a folder with the packages in it; the way to
// kubeconform's program is in the search path. See test/docs for what is run.
func docsCommand(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("docs", flag.ExitOnError)
	limit := flags.Duration("limit", 30*time.Minute, "how long each document may take")
	fresh := flags.Bool("fresh", false, "run it though it passed before and nothing has changed")
	keep := flags.String("keep", "", "keep the disk, the consoles and the packages in this `folder`, and use the packages that are there")
	_ = flags.Parse(args) // ends the program
	if flags.NArg() == 0 {
		return 2, errors.New("which documents? `vm docs FILE...`")
	}
	k, err := newKit(ctx, false)
	if err != nil {
		return failed, err
	}
	defer k.close()
	if err := k.build(ctx, "build", "-trimpath", "-buildvcs=false", "-o", k.commands()+"/", "./cmd/..."); err != nil {
		return failed, err
	}
	tools := filepath.Join(k.work, "tools")
	if err := k.build(ctx, "-C", "test/kube/schema", "build", "-o", tools+"/", "github.com/yannh/kubeconform/cmd/kubeconform"); err != nil {
		return failed, err
	}
	worst, packed := 0, false
	for _, file := range flags.Args() {
		key, err := k.key("docs", file)
		if err != nil {
			return failed, err
		}
		if !*fresh && k.passed(key) {
			say("%s: passed before", file)
			continue
		}
		s, err := k.newSystem(ctx, *keep)
		if err != nil {
			return failed, err
		}
		if !packed {
			if err := s.packages(ctx); err != nil {
				return failed, err
			}
			packed = true
		}
		code, err := s.document(ctx, file, tools, *limit)
		if err != nil {
			return failed, err
		}
		if code == 0 {
			k.remember(key)
		}
		worst = max(worst, code)
	}
	return worst, nil
}

// document runs one document.
func (s *ofSystem) document(ctx context.Context, file, tools string, limit time.Duration) (int, error) {
	text, err := os.ReadFile(filepath.Join(s.module, file))
	if err != nil {
		return failed, err
	}
	blocks, err := docs.Parse(file, string(text))
	if err != nil {
		return failed, err
	}
	script := filepath.Join(s.work, "script")
	if err := os.RemoveAll(script); err != nil {
		return failed, err
	}
	for name, content := range docs.Script(blocks) {
		path := filepath.Join(script, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return failed, err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return failed, err
		}
	}
	const prepare = `cp /job/tools/* /usr/local/bin; mkdir /root/coppice; cd /root/coppice; cp /job/debs/*.deb .; exec bash /job/script/run /job/script`
	step := wire.Step{Name: file, Args: []string{"/bin/bash", "-ec", prepare}}
	var said bytes.Buffer
	files := map[string]string{"script": script, "debs": s.debs, "tools": tools}
	code, err := s.start(ctx, limit, strings.ReplaceAll(file, "/", "-"), files, []wire.Step{step}, &said)
	if err != nil || code != 0 {
		return code, err
	}
	problems := docs.Check(blocks, said.String())
	for _, problem := range problems {
		fmt.Println(problem)
	}
	say("%s: %d blocks of commands were run, and %d of them said something else", file, len(docs.Commands(blocks)), len(problems))
	if len(problems) > 0 {
		return 1, nil
	}
	return 0, nil
}
