package schrootconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Configuration is all that a folder such as /etc/schroot says.
type Configuration struct {
	// Folder is the folder's path.
	Folder string
	// Files are those that chroots were read from.
	Files []string
	// Chroots are in the order of the files, by name within chroot.d.
	Chroots []Chroot
	// Scripts are the paths of setup.d's scripts, in the order in which they run.
	Scripts  []string
	Problems []Problem
}

// Read reads a folder such as /etc/schroot: schroot.conf, and those files of
// chroot.d whose names schroot takes. What is wrong with a file is a problem of
// the configuration, and keeps nothing of the others from being read. The error
// is that there is no such folder, or nothing of schroot's in it.
func Read(folder string) (Configuration, error) {
	c := Configuration{Folder: folder}
	if _, err := os.ReadDir(folder); err != nil {
		return c, fmt.Errorf("read configuration of schroot: %w", err)
	}
	main := filepath.Join(folder, "schroot.conf")
	_, err := os.Stat(main)
	if err == nil {
		c.file(main)
	}
	entries, dirErr := os.ReadDir(filepath.Join(folder, "chroot.d"))
	if errors.Is(err, fs.ErrNotExist) && errors.Is(dirErr, fs.ErrNotExist) {
		return c, fmt.Errorf("read configuration of schroot: neither schroot.conf nor chroot.d is in %s", folder)
	}
	for _, e := range entries {
		path := filepath.Join(folder, "chroot.d", e.Name())
		if !ValidName(e.Name()) {
			c.problem(path, "schroot leaves it out because of its name; letters, digits, dots, dashes and underscores may be in it, with a letter or digit first", false)
			continue
		}
		c.file(path)
	}
	if dirErr != nil && !errors.Is(dirErr, fs.ErrNotExist) {
		c.problem(filepath.Join(folder, "chroot.d"), dirErr.Error(), true)
	}
	c.named()
	c.scripts()
	return c, nil
}

func (c *Configuration) problem(path, message string, refused bool) {
	c.Problems = append(c.Problems, Problem{At: Position{File: path}, Message: message, Refused: refused})
}

// file reads a file of chroots. Who could write to it could have any folder
// mounted, so schroot reads only what is root's; here that is only told.
func (c *Configuration) file(path string) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		c.problem(path, "it is not a regular file", false)
		return
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		c.problem(path, err.Error(), true)
		return
	}
	if s, is := info.Sys().(*syscall.Stat_t); is && s.Uid != 0 {
		c.problem(path, "it does not belong to root; chown root it", true)
	}
	if info.Mode().Perm()&0o002 != 0 {
		c.problem(path, "others may write to it; chmod o-w it", true)
	}
	chroots, problems := Parse(path, text)
	c.Files = append(c.Files, path)
	c.Chroots = append(c.Chroots, chroots...)
	c.Problems = append(c.Problems, problems...)
}

// named reports names that several chroots have. Of chroots of one name only the
// first is kept.
func (c *Configuration) named() {
	owner := map[string]Position{}
	c.Chroots = slices.DeleteFunc(c.Chroots, func(chroot Chroot) bool {
		first, taken := owner[chroot.Name]
		if taken {
			c.Problems = append(c.Problems, Problem{chroot.At, chroot.Name, "", fmt.Sprintf("a chroot of that name is in %s already", first), true})
			return true
		}
		owner[chroot.Name] = chroot.At
		return false
	})
	for _, chroot := range c.Chroots {
		for _, alias := range chroot.List("aliases") {
			e, _ := chroot.Given("aliases")
			if first, taken := owner[alias]; taken {
				c.Problems = append(c.Problems, Problem{e.At, chroot.Name, "aliases", fmt.Sprintf("alias %q is already a name of that in %s", alias, first), false})
				continue
			}
			owner[alias] = e.At
		}
	}
}

// runnable is what run-parts takes for the name of a script.
var runnable = pattern(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// scripts finds the scripts of setup.d.
func (c *Configuration) scripts() {
	entries, err := os.ReadDir(filepath.Join(c.Folder, "setup.d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.problem(filepath.Join(c.Folder, "setup.d"), err.Error(), true)
	}
	for _, e := range entries {
		path := filepath.Join(c.Folder, "setup.d", e.Name())
		info, err := os.Stat(path)
		switch {
		case !runnable().MatchString(e.Name()) || saved().MatchString(e.Name()):
			c.problem(path, "schroot does not run it because of its name", false)
		case err != nil:
			c.problem(path, err.Error(), true)
		case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
			c.problem(path, "schroot does not run it: it is no executable file", false)
		default:
			c.Scripts = append(c.Scripts, path)
		}
	}
}

// Profile reads the files that a chroot's keys name. With script-config, which is
// older, they are those beside the file that it names.
func (c Configuration) Profile(chroot Chroot) Profile {
	var p Profile
	if chroot.Type() == Plain {
		return p // which runs no scripts
	}
	read := func(key, beside string) (string, []byte) {
		name, at := chroot.Text(key), chroot.At
		if e, given := chroot.Given(key); given {
			at = e.At
		}
		if e, given := chroot.Given("script-config"); given && name == "" {
			name, at, key = filepath.Join(filepath.Dir(e.Value), beside), e.At, "script-config"
		}
		if name == "" {
			return "", nil
		}
		path := filepath.Join(c.Folder, name)
		text, err := os.ReadFile(path)
		if err != nil && (beside != "config" || !errors.Is(err, fs.ErrNotExist)) {
			p.Problems = append(p.Problems, Problem{at, chroot.Name, key, err.Error(), true})
		}
		return path, text
	}
	config, text := read("setup.config", "config")
	if len(ParseLines(config, text)) > 0 {
		p.Config = config
	}
	file, text := read("setup.fstab", "fstab")
	mounts, problems := ParseFstab(file, text)
	p.Mounts, p.Problems = mounts, append(p.Problems, problems...)
	file, text = read("setup.copyfiles", "copyfiles")
	p.Copied = ParseLines(file, text)
	file, text = read("setup.nssdatabases", "nssdatabases")
	p.Databases = ParseLines(file, text)
	return p
}
