package spec

import "strings"

// chunk is the text of one document, markers included.
type chunk struct {
	line int // of its first line in the file, from 1
	text string
}

// split cuts a stream into its documents, so that a syntax error in one does not
// hide the others. That can be done without understanding them: at the start of
// a line, --- and ... are markers in any context, even within a quoted or a block
// scalar (YAML 1.2, 9.1.2).
func split(text string) []chunk {
	var chunks []chunk
	var b strings.Builder
	first, begun := 1, false
	flush := func(next int) {
		if begun {
			chunks = append(chunks, chunk{first, b.String()})
			b.Reset()
			first, begun = next, false
		}
	}
	number := 0
	for line := range lines(text) {
		number++
		switch {
		case marks(line, "---"):
			flush(number)
			begun = true
		case marks(line, "..."):
			flush(number + 1)
			line = "\n" // it would be an error where no document was begun
		case begun:
		case strings.HasPrefix(line, "%YAML"):
			// The library refuses a document that says it is YAML 1.2.
			line = "#" + line[1:]
		case !strings.HasPrefix(line, "%"):
			rest := strings.TrimSpace(line)
			begun = rest != "" && rest[0] != '#'
		}
		b.WriteString(line)
	}
	if strings.HasPrefix(strings.TrimSpace(b.String()), "%") {
		begun = true // a directive without a document is an error worth telling
	}
	flush(0)
	return chunks
}

// lines yields lines with their ends: LF, CRLF or CR.
func lines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			end := strings.IndexAny(text, "\r\n") + 1
			switch {
			case end == 0:
				end = len(text)
			case strings.HasPrefix(text[end-1:], "\r\n"):
				end++
			}
			if !yield(text[:end]) {
				return
			}
			text = text[end:]
		}
	}
}

// marks tells whether the line is the marker, and not a word that begins with it.
func marks(line, marker string) bool {
	rest, is := strings.CutPrefix(line, marker)
	return is && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n"))
}
