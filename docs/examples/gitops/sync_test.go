// Package gitops holds the test of the script that follows a repository.
package gitops

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// farm is a repository and a host that follows it.
type farm struct {
	t          *testing.T
	work, root string
	env        []string
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	base := t.TempDir()
	f := &farm{t: t, work: base + "/work", root: base + "/root"}
	f.env = append(os.Environ(), "REPOSITORY="+f.work, "ROOT="+f.root, "HOME="+base, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost")
	f.must("git", "init", "--quiet", "--initial-branch", "main", f.work)
	return f
}

func (f *farm) run(words ...string) (string, error) {
	f.t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = f.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (f *farm) must(words ...string) string {
	f.t.Helper()
	out, err := f.run(words...)
	if err != nil {
		f.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return out
}

// commit makes a commit whose file says the text, and returns its name.
func (f *farm) commit(text string, options ...string) string {
	f.t.Helper()
	if err := os.WriteFile(f.work+"/file", []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	f.must("git", "-C", f.work, "add", "--all")
	f.must(append([]string{"git", "-C", f.work, "commit", "--quiet", "--message", text}, options...)...)
	return f.must("git", "-C", f.work, "rev-parse", "HEAD")
}

func (f *farm) sync() error {
	_, err := f.run("./coppice-sync")
	return err
}

// at wants the host to be at a commit, and to have no other.
func (f *farm) at(commit, text string) {
	f.t.Helper()
	if link, err := os.Readlink(f.root + "/current"); err != nil || link != "trees/"+commit {
		f.t.Errorf("the link leads to %q (%v), want %s", link, err, commit)
	}
	if got, err := os.ReadFile(f.root + "/current/file"); err != nil || string(got) != text {
		f.t.Errorf("the file says %q (%v), want %q", got, err, text)
	}
	if trees, err := filepath.Glob(f.root + "/trees/*"); err != nil || len(trees) != 1 {
		f.t.Errorf("there are the trees %v, %v", trees, err)
	}
}

func TestSync(t *testing.T) {
	f := newFarm(t)
	follow := func(commit, text string) {
		t.Helper()
		if err := f.sync(); err != nil {
			t.Fatal(err)
		}
		f.at(commit, text)
	}
	one := f.commit("one")
	follow(one, "one")
	before, err := os.Stat(f.root + "/current/file")
	if err != nil {
		t.Fatal(err)
	}
	follow(one, "one")
	if after, err := os.Stat(f.root + "/current/file"); err != nil || !os.SameFile(before, after) {
		t.Errorf("without a new commit the tree was made anew: %v", err)
	}
	two := f.commit("two")
	follow(two, "two")
	f.must("git", "-C", f.work, "reset", "--quiet", "--hard", one)
	follow(one, "one") // the branch went back

	// What a crash leaves: half a tree, a link that was not renamed.
	three := f.commit("three")
	if err := os.MkdirAll(f.root+"/trees/"+three, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", f.root+"/next"); err != nil {
		t.Fatal(err)
	}
	follow(three, "three")

	// Nobody else may write to what is there, whatever the caller's umask is.
	f.env = append(f.env, "ROOT="+f.root+"2")
	f.root += "2"
	f.must("sh", "-c", "umask 0; ./coppice-sync")
	if out := f.must("find", f.root, "-perm", "/022", "-not", "-type", "l"); out != "" {
		t.Errorf("others may write to %s", out)
	}
}

// A host that cannot fetch stays where it is.
func TestSyncFails(t *testing.T) {
	f := newFarm(t)
	one := f.commit("one")
	if err := f.sync(); err != nil {
		t.Fatal(err)
	}
	f.env = append(f.env, "REPOSITORY="+f.work+"/none")
	if f.sync() == nil {
		t.Error("it does not tell that there is no repository")
	}
	f.at(one, "one")
}

func TestSyncSigned(t *testing.T) {
	f := newFarm(t)
	key := f.root + "-key"
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen")
	}
	f.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.root+"-signers", append([]byte("a@localhost "), public...), 0o644); err != nil {
		t.Fatal(err)
	}
	f.env = append(f.env, "SIGNERS="+f.root+"-signers")
	for _, setting := range [][2]string{{"gpg.format", "ssh"}, {"user.signingKey", key + ".pub"}} {
		f.must("git", "-C", f.work, "config", setting[0], setting[1])
	}
	one := f.commit("one", "--gpg-sign")
	if err := f.sync(); err != nil {
		t.Fatal(err)
	}
	f.commit("two")
	if f.sync() == nil {
		t.Error("a commit without a signature was taken")
	}
	f.at(one, "one")
	three := f.commit("three", "--gpg-sign")
	if err := f.sync(); err != nil {
		t.Fatal(err)
	}
	f.at(three, "three")
}
