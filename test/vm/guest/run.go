package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice.dev/test/vm/wire"
)

// run does the job.
func run() error {
	port, err := openPort()
	if err != nil {
		return err
	}
	defer port.Close()
	job, err := read()
	if err != nil {
		return err
	}
	if err := hello(port); err != nil {
		return err
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, job.Parallel) {
		workers.Go(func() {
			for i := range next {
				done := do(port, i, job.Steps[i])
				if err := say(port, wire.Message{Done: &done}); err != nil {
					fmt.Fprintln(os.Stderr, "guest:", err)
				}
			}
		})
	}
	for i := range job.Steps {
		next <- i
	}
	close(next)
	workers.Wait()
	unix.Sync()
	if err := say(port, wire.Message{End: true}); err != nil {
		return err
	}
	for job.End == wire.EndStay {
		time.Sleep(time.Hour)
	}
	return nil
}

func read() (wire.Job, error) {
	var job wire.Job
	text, err := os.ReadFile(filepath.Join(wire.JobRoot, wire.JobFile))
	if err != nil {
		return job, err
	}
	if err := json.Unmarshal(text, &job); err != nil {
		return job, fmt.Errorf("read the job: %w", err)
	}
	return job, nil
}

func hello(port *os.File) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return err
	}
	return say(port, wire.Message{Hello: &wire.Hello{
		Kernel: unix.ByteSliceToString(name.Release[:]), Boot: time.Duration(since.Nano()),
	}})
}

// do runs one step to its end.
func do(port *os.File, index int, step wire.Step) wire.Done {
	began := time.Now()
	done := wire.Done{Step: index}
	output, input, err := os.Pipe()
	if err != nil {
		return wire.Done{Step: index, Code: 126, Why: err.Error()}
	}
	cmd := exec.Command(step.Args[0], step.Args[1:]...)
	cmd.Dir, cmd.Env = step.Dir, append(os.Environ(), step.Env...)
	cmd.Stdout, cmd.Stderr = input, input
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		input.Close()
		output.Close()
		return wire.Done{Step: index, Code: 126, Why: err.Error()}
	}
	input.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		pass(port, index, output)
	}()
	var late *time.Timer
	if step.Timeout > 0 {
		late = time.AfterFunc(step.Timeout, func() {
			_ = unix.Kill(cmd.Process.Pid, unix.SIGQUIT) // it may have ended
			time.Sleep(5 * time.Second)
			_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		})
	}
	err = cmd.Wait()
	if late != nil && !late.Stop() {
		done.Why = fmt.Sprintf("it took longer than %v", step.Timeout)
	}
	// What the command left behind may hold its output open.
	select {
	case <-copied:
	case <-time.After(2 * time.Second):
		output.Close()
		<-copied
	}
	done.Code, done.Took = cmd.ProcessState.ExitCode(), time.Since(began)
	if failed, is := errors.AsType[*exec.ExitError](err); is && failed.ExitCode() < 0 {
		done.Code = 128 + int(failed.Sys().(syscall.WaitStatus).Signal())
		if done.Why == "" {
			done.Why = failed.Error()
		}
	}
	return done
}

// pass tells what the step writes.
func pass(port *os.File, index int, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if err := say(port, wire.Message{Output: &wire.Output{Step: index, Data: buffer[:n]}}); err != nil {
				fmt.Fprintln(os.Stderr, "guest:", err)
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// saying keeps messages of several steps apart.
var saying sync.Mutex

func say(port *os.File, message wire.Message) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	saying.Lock()
	defer saying.Unlock()
	if _, err := port.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("tell the harness: %w", err)
	}
	return nil
}

// openPort opens the serial port that the harness listens on.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		if name, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(name)) == wire.Port {
			return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(file)), os.O_RDWR, 0)
		}
	}
	return nil, fmt.Errorf("find the serial port %q: there are %v", wire.Port, names)
}
