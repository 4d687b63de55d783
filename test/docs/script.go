package docs

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// mark begins a line of the script's output that tells which block is run next.
const mark = "\x1e"

// Script returns the files of a script that runs the blocks, by their names in one
// folder; "run" is the one to start, by bash and with the folder as its argument.
//
// Each block is a file of its own, named as the document is and with as many lines
// before its text as the document has, so that bash itself tells the right place. All
// are read by one shell: what one sets, the next one finds.
func Script(blocks []Block) map[string]string {
	files := map[string]string{}
	var run strings.Builder
	run.WriteString(`folder=$1
set -eE -o pipefail
trap 'echo "FAILED ${BASH_SOURCE[0]#"$folder"/*/}:$LINENO: $BASH_COMMAND"' ERR
exec </dev/null 2>&1
`)
	for i, b := range Commands(blocks) {
		name := path.Join(strconv.Itoa(i+1), b.File)
		files[name] = strings.Repeat("\n", b.Line-1) + b.Text
		fmt.Fprintf(&run, "printf '\\x1e%%s\\n' %s\n. \"$folder\"/%s\n", quoted(b.Where()), quoted(name))
	}
	files["run"] = run.String()
	return files
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Said takes the script's output apart: what each block has said, by its place.
func Said(output string) map[string]string {
	said := map[string]string{}
	for i, part := range strings.Split(output, mark) {
		if i > 0 {
			where, text, _ := strings.Cut(part, "\n")
			said[where] = text
		}
	}
	return said
}
