package docs

// Runner is who runs the commands of a document.
type Runner string

// The runners.
const (
	// Here is this package's test, on the host, in namespaces that keep it from harm.
	Here Runner = "here"
	// Machine is `make test-docs`, on a system of its own.
	Machine Runner = "machine"
	// Elsewhere is another test, which Place.Why names.
	Elsewhere Runner = "elsewhere"
)

// Place says where a document's commands are run.
type Place struct {
	Runners []Runner
	// Before is what the document takes for granted, in bash.
	Before string
	// But are blocks that are not run, by their first lines, and why.
	But map[string]string
	// Why says which test runs them, or why none does.
	Why string
}

// chroot makes one that documents call bookworm, with a session build-1 of it.
const chroot = `
mkdir -p /srv/small/bin /srv/small/etc
cp /bin/busybox /srv/small/bin/
for name in sh cat ls true sleep; do ln -s busybox /srv/small/bin/$name; done
cat > /etc/coppice/manifests.d/before.yaml <<'END'
apiVersion: coppice.dev/v1alpha1
kind: Chroot
metadata: {name: bookworm}
spec: {source: {directory: {path: /srv/small}}}
---
apiVersion: coppice.dev/v1alpha1
kind: Session
metadata: {name: build-1, labels: {suite: bookworm}}
spec: {chrootRef: {name: bookworm}}
END
coppice wait session/build-1
`

// Documents are those with commands, by their paths in the tree. A document that is not
// here must have none.
var Documents = map[string]Place{
	"README.md": {Runners: []Runner{Here}, But: map[string]string{
		"make deps build":                  "it is how this is built; make demo is run by hand",
		"make deb":                         "make test-package and make test-docs install the packages",
		"make deps build lint test":        "it is what CI runs, and runs this",
		`make crash CRASHFLAGS="-most 10"`: "make test runs it in the virtual machine",
	}},
	"CONTRIBUTING.md":  {Runners: []Runner{Elsewhere}, Why: "CI builds and tests by the command of README.md, of which these are a part"},
	"docs/tutorial.md": {Runners: []Runner{Here, Machine}},
	"docs/howto.md":    {Runners: []Runner{Here}},
	"docs/gitops.md":   {Runners: []Runner{Machine}},
	"docs/commands.md": {Runners: []Runner{Here}, Before: chroot},
	"docs/socket.md": {Runners: []Runner{Here}, Before: chroot + `
curl() { case $* in *watch=true*) timeout 5 curl "$@" || [ $? = 124 ] ;; *) command curl --fail-with-body "$@" ;; esac; }
`},
	"docs/kubernetes.md":  {Runners: []Runner{Elsewhere}, Why: "test/kube/cluster and test/kube/gitops run them, with an API server and kustomize"},
	"docs/schroot.md":     {Runners: []Runner{Elsewhere}, Why: "test/clients has sbuild and autopkgtest do so, test/e2e imports what schroot has; docs/howto.md does so by these commands"},
	"docs/proof.md":       {Runners: []Runner{Elsewhere}, Why: "test/soak is tried by its own test; these go on for minutes"},
	"packaging/README.md": {Runners: []Runner{Elsewhere}, Why: "test/vm's packages.go edits the unit"},
}
