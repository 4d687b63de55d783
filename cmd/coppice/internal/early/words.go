package early

import "strings"

// call is what was asked for: a command in a session.
type call struct {
	Options
	runDir  string
	session string
	args    []string
}

// parse reads the words after the program's name. It knows the flags of exec and no
// others, and is sure only of what package pflag would read alike: for the rest ok is
// false, and somebody else reads all of it again.
func parse(words []string) (c call, ok bool) {
	c.runDir = RunDir()
	global := []Flag{{Name: RunDirFlag, Text: &c.runDir}}
	words, ok = flags(words, global)
	if !ok || len(words) == 0 || words[0] != "exec" {
		return c, false
	}
	known := append(c.Flags(), global...)
	words = words[1:]
	for {
		if words, ok = flags(words, known); !ok || len(words) == 0 {
			break
		}
		if words[0] == "--" {
			c.args = append(c.args, words[1:]...)
			ok = c.session != ""
			break
		}
		switch {
		case c.session != "":
			c.args = append(c.args, words[0])
		case words[0] == "":
			return c, false
		default:
			c.session = words[0]
		}
		words = words[1:]
	}
	// What has a slash may name the kind, too.
	return c, ok && c.session != "" && !strings.Contains(c.session, "/")
}

// flags reads flags up to a word that is none, and returns the words from there on.
func flags(words []string, known []Flag) (rest []string, ok bool) {
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' && words[0] != "--" {
		word := words[0]
		words = words[1:]
		var took int
		if name, long := strings.CutPrefix(word, "--"); long {
			took, ok = readLong(name, words, known)
		} else {
			took, ok = readShort(word[1:], words, known)
		}
		if !ok {
			return nil, false
		}
		words = words[took:]
	}
	return words, true
}

// readLong reads --name, --name=value or --name value, and returns how many of the
// words that follow belong to it.
func readLong(text string, words []string, known []Flag) (took int, ok bool) {
	name, value, given := strings.Cut(text, "=")
	for _, f := range known {
		switch {
		case f.Name != name:
		case f.Bool != nil && !given:
			*f.Bool = true
			return 0, true
		case f.Text != nil && given:
			*f.Text = value
			return 0, true
		case f.Text != nil && len(words) > 0:
			*f.Text = words[0]
			return 1, true
		}
	}
	return 0, false
}

// readShort reads -a, -ab, -xVALUE or -x VALUE. What has a "=" is for others.
func readShort(letters string, words []string, known []Flag) (took int, ok bool) {
	for letters != "" {
		letter := letters[:1]
		letters = letters[1:]
		found := false
		for _, f := range known {
			switch {
			case f.Short != letter:
			case strings.HasPrefix(letters, "="):
				return 0, false
			case f.Bool != nil:
				*f.Bool, found = true, true
			case letters != "":
				*f.Text = letters
				return 0, true
			case len(words) > 0:
				*f.Text = words[0]
				return 1, true
			}
		}
		if !found {
			return 0, false
		}
	}
	return 0, true
}
