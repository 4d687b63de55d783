// Package docs takes the commands out of documents, so that they can be run, and
// compares what they say with what the documents say that they do.
//
// A fenced block of the language "sh" is run; all those of a document are run in
// order, by one shell, which ends at the first command that fails. A block of the
// language "output" that follows is what the commands print, where "..." stands for
// whatever there is. Blocks of other languages are for reading.
//
// Nothing is run here: who runs the script decides where.
package docs

import (
	"fmt"
	"strings"
)

// Block is a fenced block of a document.
type Block struct {
	// File is the document's name, and Line where the block's text begins in it,
	// counted from 1.
	File string
	Line int
	// Language is the first word behind the fence.
	Language string
	Text     string
}

// Where names the block for people.
func (b Block) Where() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

// Parse returns all fenced blocks of a document.
func Parse(file, text string) ([]Block, error) {
	var blocks []Block
	var fence, indent string // of the block that is read; no fence outside of one
	var now Block
	var lines []string
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		switch {
		case fence == "" && strings.HasPrefix(bare, "```"):
			info := strings.TrimLeft(bare, "`")
			fence, indent = bare[:len(bare)-len(info)], line[:len(line)-len(bare)]
			language, _, _ := strings.Cut(strings.TrimSpace(info), " ")
			now, lines = Block{File: file, Line: i + 2, Language: language}, nil
		case fence != "" && strings.HasPrefix(bare, fence) && strings.Trim(bare, "` ") == "":
			now.Text = strings.Join(append(lines, ""), "\n")
			blocks, fence = append(blocks, now), ""
		case fence != "":
			lines = append(lines, strings.TrimPrefix(line, indent))
		}
	}
	if fence != "" {
		return nil, fmt.Errorf("%s: the block does not end", now.Where())
	}
	return blocks, nil
}

// Commands are the blocks that are to be run.
func Commands(blocks []Block) []Block {
	var list []Block
	for _, b := range blocks {
		if b.Language == "sh" {
			list = append(list, b)
		}
	}
	return list
}
