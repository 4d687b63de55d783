package manifests

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// gitFolder is the name of what a checkout of Git has at its top: a folder, or in a
// work tree a file that says where the folder is (gitrepository-layout(5)).
const gitFolder = ".git"

// checkout is what is known of the checkout of Git that a folder lies in. It is read
// from Git's own files, since it is asked for with each look; what it says is told to
// people, and nothing is decided by it but how long a change is waited for.
type checkout struct {
	// git is the folder with HEAD and the index of this work tree; "" if the folder is
	// in no checkout.
	git string
	// branch is the folder of the file with the commit; "" if HEAD itself has it.
	branch string
	// revision is the commit that is checked out; "" if that cannot be told.
	revision string
}

// patience with Git: a checkout that takes longer than this is told of, since its lock
// may be one that a crash has left.
const longestCheckout = time.Minute

// checkoutAt returns the checkout that a folder lies in.
func checkoutAt(dir *os.File) checkout {
	// Where the descriptor leads by now: the path given may have links that are
	// swapped meanwhile.
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if err != nil {
		return checkout{}
	}
	top, err := statx(int(dir.Fd()), "")
	if err != nil {
		return checkout{}
	}
	device := unix.Mkdev(top.Dev_major, top.Dev_minor)
	for ; ; at = filepath.Dir(at) {
		// As Git does, not beyond the file system.
		st, err := statx(unix.AT_FDCWD, at)
		if err != nil || unix.Mkdev(st.Dev_major, st.Dev_minor) != device {
			return checkout{}
		}
		if git, is := gitOf(at); is {
			c := checkout{git: git}
			c.revision, c.branch = head(git)
			return c
		}
		if at == "/" {
			return checkout{}
		}
	}
}

// gitOf returns the folder of Git's that belongs to the work tree at a path, if there
// is one.
func gitOf(path string) (git string, is bool) {
	git = filepath.Join(path, gitFolder)
	info, err := os.Lstat(git)
	switch {
	case err != nil:
		return "", false
	case info.IsDir():
	default:
		to, is := strings.CutPrefix(line(git), "gitdir: ")
		if !is {
			return "", false
		}
		git = absolute(to, path)
	}
	_, err = os.Lstat(filepath.Join(git, "HEAD"))
	return git, err == nil
}

func absolute(path, base string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// isCommit reports whether a text is the name of a commit, by SHA-1 or SHA-256.
func isCommit(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

// mostReferences is how many names lead from HEAD to a commit at the most.
const mostReferences = 5

// head returns the commit that HEAD names, and the folder of the file that changes
// when another is checked out, if that is not HEAD itself.
func head(git string) (revision, branch string) {
	common := git
	if to := line(filepath.Join(git, "commondir")); to != "" {
		common = absolute(to, git)
	}
	text := line(filepath.Join(git, "HEAD"))
	for range mostReferences {
		name, is := strings.CutPrefix(text, "ref: ")
		if !is {
			break
		}
		if !strings.HasPrefix(name, "refs/") || !filepath.IsLocal(name) {
			return "", ""
		}
		file := filepath.Join(common, name)
		branch = filepath.Dir(file)
		if text = line(file); text == "" {
			text = packed(filepath.Join(common, "packed-refs"), name)
		}
	}
	if !isCommit(text) {
		return "", branch
	}
	return text, branch
}

// longestLine is how long a line of Git's files may be, mostPacked how long its list of
// references, in bytes.
const (
	longestLine = 4096
	mostPacked  = 64 << 20
)

// line returns the first line of a regular file; "" if there is none.
func line(path string) string {
	file := regular(path)
	if file == nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestLine))
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	return strings.TrimSpace(string(first))
}

// packed returns the commit that a list of references has for a name.
func packed(path, name string) string {
	file := regular(path)
	if file == nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, mostPacked))
	for lines.Scan() {
		if of, is := strings.CutSuffix(lines.Text(), " "+name); is {
			return of
		}
	}
	return ""
}

// regular opens a file that is one, and nothing else: a FIFO would block.
func regular(path string) *os.File {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil
	}
	return file
}

// locked reports whether Git is changing the files of the checkout: it holds the lock
// of its index from before the first is removed until the last is written. If it has
// it for too long, problem says so.
func (c checkout) locked() (busy bool, problem string) {
	if c.git == "" {
		return false, ""
	}
	lock := filepath.Join(c.git, "index.lock")
	info, err := os.Lstat(lock)
	if err != nil {
		return false, ""
	}
	if age := time.Since(info.ModTime()); age.Abs() < longestCheckout {
		return true, ""
	}
	return false, fmt.Sprintf("git has not finished changing it; if no git runs there, remove %s", lock)
}

// folders are those in which something happens when another commit is checked out.
func (c checkout) folders() []string {
	switch {
	case c.git == "":
		return nil
	case c.branch == "":
		return []string{c.git}
	}
	return []string{c.git, c.branch}
}
