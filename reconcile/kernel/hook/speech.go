package hook

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// What is passed on of a hook's output: it may say as much as it likes, and is told of in
// a log that others need too.
const (
	longestLine = 2 << 10
	mostLines   = 1000
)

// speech keeps the end of what a hook writes, and passes it on line by line.
type speech struct {
	say  func(line string)
	kept tail

	mu    sync.Mutex
	rest  []byte // of a line that has not ended
	lines int
	over  bool // a line is longer than what is passed on of it
}

// Write implements io.Writer.
func (s *speech) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := p; len(text) > 0; {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		s.add(line)
		if ended {
			s.flush()
		}
		text = rest
	}
	return s.kept.Write(p)
}

// add needs the lock, as the others do.
func (s *speech) add(part []byte) {
	if room := longestLine - len(s.rest); len(part) > room {
		part, s.over = part[:room], true
	}
	s.rest = append(s.rest, part...)
}

func (s *speech) flush() {
	line := strings.ToValidUTF8(string(s.rest), "?")
	if s.over {
		line += " …"
	}
	s.rest, s.over = nil, false
	switch s.lines++; {
	case s.lines <= mostLines:
		s.say(line)
	case s.lines == mostLines+1:
		s.say(fmt.Sprintf("… what it says beyond %d lines is not logged", mostLines))
	}
}

// end passes on what is left of a line that did not end.
func (s *speech) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) > 0 {
		s.flush()
	}
}

// String returns the end of what was written.
func (s *speech) String() string { return s.kept.String() }
