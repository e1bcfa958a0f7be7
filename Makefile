# What a person needs: run, test. What a developer needs: the rest.
# Every target works on a fresh Debian machine with Go and make; what a target
# needs besides, it installs, and says so.

GO      ?= go
BIN     := bin/dragoman
# A cache of its own: one that is shared remembers the paths of other checkouts, and
# takes what is excluded there for mistakes here.
LINT    := GOLANGCI_LINT_CACHE=$(CURDIR)/bin/lint $(GO) tool -modfile=.ci/lint/go.mod golangci-lint
FUZZ    ?= 10s
LIVEKIT := bin/livekit-server
LIVEKIT_JS := e2e/browser/livekit/node_modules/livekit-client/dist/livekit-client.umd.js
BENCH   ?= --rounds 3
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Those with much real media have the machine for themselves. Five browsers leave a
# server with the race detector too little of a small one.
HEAVY   := /e2e|/cmd/bench$$|/cmd/dragoman$$|/cmd/serve$$|/cluster/relay$$|/cluster/livekit|/media$$
REAL    := $(shell $(GO) list ./... 2>/dev/null | grep -E '$(HEAVY)' | grep -v /e2e/browser)
UNIT    := $(shell $(GO) list ./... 2>/dev/null | grep -vE '$(HEAVY)')
FAST    := $(shell $(GO) list ./... 2>/dev/null | grep -v /e2e/browser)

.PHONY: run cluster build test test-fast bench profile lint fmt fuzz demo chromium npm postgresql iproute2 clean help

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

run: build ## start one node on loopback; prints what to open
	$(BIN) serve --dev

cluster: build ## start three nodes of a cluster on loopback; prints what to open
	@config/deploy/cluster.sh $(BIN)

build: ## build bin/dragoman
	@mkdir -p bin
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/dragoman

test: chromium postgresql iproute2 $(LIVEKIT) $(LIVEKIT_JS) ## everything that must hold, with the race detector, a real browser, PostgreSQL and LiveKit
	$(GO) vet ./...
	$(GO) test -race -timeout 45m $(UNIT)
	$(GO) test -race -timeout 45m -p 1 $(REAL)
	$(GO) test -timeout 45m ./e2e/browser

test-fast: postgresql iproute2 $(LIVEKIT) ## the same without the browser
	$(GO) test -race -timeout 30m $(FAST)

bench: build $(LIVEKIT) ## measure forwarding beside a LiveKit server, and the parts by themselves (BENCH="--duration 3s" is short)
	$(GO) test -run '^$$' -bench . -benchmem ./bridge/... ./media/... ./cluster/livekit
	$(BIN) bench --livekit $(LIVEKIT) $(BENCH)

profile: build ## show where forwarding spends its time, as a flame graph in the browser
	$(BIN) bench --scenario "1 publisher to 200" --profile bin/cpu.prof
	$(GO) tool pprof -http 127.0.0.1:0 $(BIN) bin/cpu.prof

$(LIVEKIT): e2e/livekitd/go.mod
	@echo "building a LiveKit server, which takes some minutes the first time"
	$(GO) build -C e2e/livekitd -o $(CURDIR)/$@ github.com/livekit/livekit-server/cmd/server

# By the lock file, so that what comes is what was looked at.
$(LIVEKIT_JS): e2e/browser/livekit/package-lock.json | npm
	npm ci --prefix e2e/browser/livekit --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lint: ## hold the bar of CONTRIBUTING.md
	$(LINT) run ./...

fmt: ## format
	$(LINT) fmt ./...

fuzz: ## fuzz every decoder for FUZZ each (default 10s)
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; \
	    $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ) $$p || exit 1; \
	  done; \
	done

demo: build ## play a scripted mixed meeting and print who heard whom
	$(BIN) demo

chromium:
	@command -v chromium >/dev/null 2>&1 || $(call install,chromium)

npm:
	@command -v npm >/dev/null 2>&1 || $(call install,npm)

postgresql: # the server's programs are not on PATH in Debian
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || $(call install,postgresql)

iproute2: # networks of their own for nodes that lose sight of each other
	@command -v ip >/dev/null 2>&1 || $(call install,iproute2)

install = { echo "$(1) is missing: installing Debian's package"; \
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1); } \
	|| { echo "$(1) could not be installed: install it by hand (apt-get install $(1))"; exit 1; }; }

clean: ## remove what was built
	rm -rf bin e2e/browser/livekit/node_modules
