# Coppice. `make help` lists what can be made.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

GO      ?= go
DESTDIR ?=
PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOLS   := $(CURDIR)/bin/tools
LDFLAGS := -s -w -X coppice.dev/cmd/internal/version.number=$(VERSION)

# Where `make run` keeps its state; nothing outside of it is touched.
RUN_PREFIX ?= /tmp/coppice
# How long each fuzz target runs.
FUZZTIME   ?= 30s
# What `make crash` tries; everything if empty.
CRASHFLAGS ?=
# How long the soak goes on, and its seed (0 draws one); KEEP=1 keeps its folder.
MINUTES    ?= 2
SEED       ?= 0
KEEP       ?= 0
# How often `make powercut` cuts the power.
CUTS       ?= 20
# What `make bench` is given: -rounds 50, -out FOLDER, -existing 10,1000.
BENCHARGS  ?=
# Where `make test-browser` keeps pictures.
PICTURES   ?=
# Which benchmarks `make gobench` runs, and how.
BENCH      ?= .
BENCHFLAGS ?= -benchtime=1s -count=1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install the Debian packages that are missing (as root)
	@.ci/deps

.PHONY: build
build: ## build coppice, coppiced and schroot into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

# The commands write their own manual, so it is of this machine's architecture,
# whatever is built.
.PHONY: manual
manual: ## make the manual's pages and the shells' completions into bin/manual/
	@rm -rf bin/manual
	@for command in coppice coppiced; do \
		env -u GOOS -u GOARCH -u COPPICE_RUN_DIR CGO_ENABLED=0 $(GO) run -tags manual ./cmd/$$command bin/manual; \
	done

.PHONY: vet
vet: ## gofmt and go vet
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags manual ./cmd/coppice ./cmd/coppiced

.PHONY: test
test: vet ## gofmt, vet, and all tests with the race detector; as root, on the real kernel and on 6.1
	$(GO) test -race -timeout 25m ./...
	$(GO) -C test/kube/schema test ./...
	$(GO) -C test/kube/gitops test ./...
	$(GO) -C .ci/tools test ./...
	@$(MAKE) --no-print-directory test-vm

# Debian 12 with its kernel 6.1 in a virtual machine, which has device-mapper. What
# passed is not run again as long as nothing that it depends on has changed.
.PHONY: test-vm
test-vm: ## the tests that depend on the kernel, crashes of LVM, and power cuts, in a virtual machine
	@began=$$(date +%s); $(GO) build -o bin/vm ./test/vm; \
	bin/vm test; bin/vm crash -kinds lvm-thick,lvm-thin -most 1; bin/vm powercut -n 1 -reboots 1 -longest 8s; \
	echo "test-vm took $$(( $$(date +%s) - began )) s"

# A Kubernetes API server with its etcd, and kubectl, in the versions that their module
# names. Go builds them of their sources, which takes five minutes and more if it has not
# done so before, so this is no part of `make test`; they are kept below bin.
KUBE         := $(CURDIR)/bin/kube
KUBE_SOURCES := test/kube/cluster/programs

$(KUBE)/.built: $(KUBE_SOURCES)/go.mod $(KUBE_SOURCES)/go.sum
	@mkdir -p $(KUBE)
	@version=$$($(GO) -C $(KUBE_SOURCES) list -m -f '{{.Version}}' k8s.io/kubernetes); \
	for program in etcd=go.etcd.io/etcd/server/v3 kubectl=k8s.io/kubernetes/cmd/kubectl kube-apiserver=k8s.io/kubernetes/cmd/kube-apiserver; do \
		echo "building $${program%%=*}"; \
		CGO_ENABLED=0 nice $(GO) -C $(KUBE_SOURCES) build -trimpath -o $(KUBE)/"$${program%%=*}" \
			-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" "$${program#*=}"; \
	done
	@touch $@

.PHONY: test-kube
test-kube: $(KUBE)/.built ## manifests and statuses in a real Kubernetes API server, by kubectl (as root)
	KUBEBUILDER_ASSETS=$(KUBE) $(GO) -C test/kube/cluster test -count=1 -timeout 20m ./...

# sbuild, autopkgtest and piuparts themselves, of which `make test` is one run. The
# archive with Debian bookworm that they use is made once, and kept.
.PHONY: test-clients
test-clients: deps ## programs that call schroot, with this command in its place (as root)
	$(GO) test -race -count=1 -timeout 10m -v ./test/clients

# The page with a browser, headless, in a module of its own. PICTURES=FOLDER keeps what it
# looked like.
.PHONY: test-browser
test-browser: ## the daemon's page in Chromium, which it installs (as root)
	@.ci/deps chromium fonts-dejavu-core
	COPPICE_PICTURES=$(abspath $(PICTURES)) $(GO) -C test/browser test -count=1 -v ./...

# On an emulated processor it takes minutes, so it is no part of `make test`. What
# passed is not run again as long as nothing that it depends on has changed.
.PHONY: test-package
test-package: deps ## the packages on a Debian with systemd: installed, upgraded, rebooted, removed (as root)
	@$(GO) build -o bin/vm ./test/vm; nice bin/vm package

# Documents whose commands are run, each on a system of its own.
DOCS ?= docs/gitops.md docs/tutorial.md

.PHONY: test-docs
test-docs: deps ## run the commands of DOCS on a fresh Debian with systemd (as root)
	@$(GO) build -o bin/vm ./test/vm; nice bin/vm docs $(DOCS)

.PHONY: powercut
powercut: deps ## cut the power of a virtual machine under load CUTS times
	@$(GO) run ./test/vm powercut -fresh -n $(CUTS)

# The linters are Go tools with a module of their own, so that what they need
# never mixes with what Coppice needs. The first build takes about two minutes.
$(TOOLS)/golangci-lint $(TOOLS)/controller-gen $(TOOLS)/vulncheck: .ci/tools/go.mod .ci/tools/go.sum $(wildcard .ci/tools/*/*.go)
	GOBIN=$(TOOLS) $(GO) -C .ci/tools install tool
	@touch $(TOOLS)/*

.PHONY: lint
lint: $(TOOLS)/golangci-lint vulncheck ## golangci-lint (with gosec), staticcheck, vulncheck; that the schemas are those of the types
	$(TOOLS)/golangci-lint run ./...
	$(TOOLS)/staticcheck ./...
	cd test/kube/schema && $(TOOLS)/golangci-lint run ./...
	cd test/browser && $(TOOLS)/golangci-lint run ./...
	cd test/kube/gitops && $(TOOLS)/golangci-lint run ./...
	cd test/kube/cluster && $(TOOLS)/golangci-lint run ./...
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(CRDGEN) output:crd:dir="$$fresh"; \
	diff -r "$$fresh" spec/schema/crd || { echo "the schemas are not those of the types: run make generate"; exit 1; }

# The database of vulnerabilities comes over the module proxy, newest first, and is kept
# where modules are. What is left with a reason stands in .ci/vulnerabilities.
.PHONY: vulncheck
vulncheck: $(TOOLS)/vulncheck ## whether coppice, coppiced and schroot call code that is known to be vulnerable
	$(TOOLS)/vulncheck -accept .ci/vulnerabilities ./cmd/...

# What an API server may be given is made of the Go types and their markers.
CRDGEN = $(TOOLS)/controller-gen crd:generateEmbeddedObjectMeta=false paths=./spec/schema/kinds

.PHONY: generate
generate: $(TOOLS)/controller-gen ## make the schemas of the Go types, and the references of fields, commands and metrics
	$(CRDGEN) output:crd:dir=spec/schema/crd
	$(GO) run ./spec/schema/generate spec/schema
	$(GO) run ./spec/schema/generate -reference docs/reference/manifests.md
	$(GO) run ./controller/metrics/generate docs/metrics.md
	@$(MAKE) --no-print-directory manual
	cp bin/manual/reference/*.md docs/reference/

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		grep -oE '^func Fuzz[A-Za-z0-9_]+' "$$file" | while read -r _ target; do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
		done; \
	done

# All of it takes half an hour on two cores. CRASHFLAGS="-most 10" is a taste,
# CRASHFLAGS="-kinds btrfs -phases end" a part; -help lists them.
.PHONY: crash
crash: deps build ## kill the daemon at every system call that changes the world (as root)
	$(GO) run ./test/crash -daemon bin/coppiced $(CRASHFLAGS)

.PHONY: soak
soak: deps build ## use it for MINUTES as a careless crowd would, then look for leaks (as root)
	@$(GO) run ./test/soak -bin bin -minutes $(MINUTES) -seed $(SEED) -keep=$(KEEP)

# Programs that are not installed are left out; bubblewrap and systemd-container are
# Debian's packages of two of them.
.PHONY: bench
bench: deps build ## a session's cost beside the bare system calls and other programs (as root)
	@$(GO) build -o bin/bench ./test/bench; bin/bench -bin bin $(BENCHARGS)

.PHONY: gobench
gobench: ## run the Go benchmarks
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCHFLAGS) ./...

.PHONY: demo
demo: deps build ## show it working under a private folder, then take all of it away (as root)
	@test/demo/demo.sh

.PHONY: run
run: build ## run coppiced in the foreground below RUN_PREFIX (as root)
	@mkdir -p $(RUN_PREFIX)/manifests.d
	@echo "manifests: $(RUN_PREFIX)/manifests.d"
	@echo "commands:  bin/coppice --run-dir $(RUN_PREFIX)/run ..."
	bin/coppiced --manifest-dir $(RUN_PREFIX)/manifests.d --state-dir $(RUN_PREFIX)/state --run-dir $(RUN_PREFIX)/run

.PHONY: install
install: build manual ## install below DESTDIR and PREFIX
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin bin/coppice
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/sbin bin/coppiced
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/lib/coppice bin/schroot
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)/etc/coppice/manifests.d
	sed 's,@SBINDIR@,$(PREFIX)/sbin,' packaging/coppiced.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/coppiced.service
	install -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system packaging/coppiced.socket
	install -D -m 0644 packaging/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/coppice.conf
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 bin/manual/man/man1/* packaging/man/schroot.1
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 bin/manual/man/man8/*
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/bash-completion/completions bin/manual/bash/*
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions bin/manual/zsh/*
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d bin/manual/fish/*
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/coppice/schemas spec/schema/json/*.json
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/coppice/crds spec/schema/crd/*.yaml
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/coppice/prometheus packaging/prometheus/*.yaml
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/coppice/grafana packaging/grafana/*.json
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/coppice README.md SECURITY.md CHANGELOG.md docs/*.md
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/coppice/reference docs/reference/*.md
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/doc/coppice/examples
	for f in docs/examples/*.yaml; do sed '1s,../../spec/schema/json/,$(PREFIX)/share/coppice/schemas/,' "$$f" \
	> $(DESTDIR)$(PREFIX)/share/doc/coppice/examples/"$${f##*/}"; done
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/coppice/examples/gitops docs/examples/gitops/coppice-sync.* docs/examples/gitops/sync.conf
	install -m 0755 -t $(DESTDIR)$(PREFIX)/share/doc/coppice/examples/gitops docs/examples/gitops/coppice-sync

.PHONY: deb
deb: ## make the Debian packages coppice and coppice-schroot into bin/deb/
	@rm -rf bin/deb
	@packaging/deb/build bin/deb

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
