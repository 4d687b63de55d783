package attach

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice.dev/controller/socket/wire/frame"
)

// hand sends the standard files, and makes pipes for those that are copied.
func (a *attachment) hand() error {
	var numbers []int
	var riding, mine []*os.File
	defer func() {
		for _, file := range mine {
			file.Close() // the command has its own
		}
	}()
	for i, file := range a.Std {
		switch a.Ways[i] {
		case Terminal:
			continue
		case Direct:
		case Nothing:
			null, err := os.Open(os.DevNull)
			if err != nil {
				return err
			}
			file, mine = null, append(mine, null)
		case Copied:
			if i == 2 && a.Ways[1] == Copied && same(a.Std[1], a.Std[2]) {
				file = riding[len(riding)-1] // so that what is written stays in order
				break
			}
			end, err := a.pipe(i)
			if err != nil {
				return fmt.Errorf("make a pipe for standard file %d: %w", i, err)
			}
			file, mine = end, append(mine, end)
		}
		numbers, riding = append(numbers, i), append(riding, file)
	}
	if err := a.conn.Send(frame.Frame{Files: numbers}, riding...); err != nil {
		return fmt.Errorf("hand on the standard files: %w", err)
	}
	return nil
}

// pipe makes a pipe for a standard file, and returns the command's end.
func (a *attachment) pipe(number int) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	end := w
	if number == 0 {
		end = r
		in, err := typing(a.Std[0], w)
		if err != nil {
			return nil, err
		}
		a.flows = append(a.flows, in)
	} else {
		a.flows = append(a.flows, showing(r, a.Std[number], 0))
	}
	// Few programs expect a file that does not wait.
	return end, unix.SetNonblock(int(end.Fd()), false)
}

func same(a, b *os.File) bool {
	one, err := a.Stat()
	if err != nil {
		return false
	}
	two, err := b.Stat()
	return err == nil && os.SameFile(one, two)
}
