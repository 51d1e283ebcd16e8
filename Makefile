# make test     all that keeps the software healthy and is quick enough to run often
# make help     the other targets

SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# How long each fuzz target runs.
FUZZTIME ?= 10s
# Packages that start servers wait for each other's CPU: two at a time will do.
TESTFLAGS ?= -p 2 -timeout 20m

.PHONY: help
help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: build
build: ## bin/caddy-scim
	go build -o bin/caddy-scim ./caddy/caddy-scim

.PHONY: test
test: test-tools fmt-check vet ## formatting, vet, and all tests with the race detector
	go build -race -o bin/caddy-scim-race ./caddy/caddy-scim
# Without a cache: the tests of the binary do not import what they test.
	CADDY_SCIM_BINARY=$(CURDIR)/bin/caddy-scim-race go test -race -count=1 $(TESTFLAGS) ./...
# All planted faults; the race detector has played some of them.
	go test -count=1 ./interop/faulty

.PHONY: test-tools
test-tools:
	@scripts/install-test-tools

.PHONY: fmt-check
fmt-check:
	@files=$$(gofmt -l .); [[ -z $$files ]] || { echo "gofmt would change:"; echo "$$files"; exit 1; }

.PHONY: vet
vet:
	go vet ./...

.PHONY: lint
lint: ## the linters of .golangci.yml
	go run $(GOLANGCI_LINT) run ./...

.PHONY: fuzz
fuzz: test-tools ## every fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

.PHONY: soak
soak: test-tools ## every fuzz target for 10 minutes, many random batches against each store, and the long forms of tests
	scripts/fuzz 10m
	go test -count=1 -timeout 1h ./scimmodule/store/memstore ./scimmodule/store/boltstore ./scimmodule/store/redisstore -rapid.checks=20000
	SOAK=1 go test -race -count=1 -timeout 3h -v ./caddy/resilience/...
	SOAK=1 go test -race -count=1 -timeout 1h -v -run TestMove ./caddy/commandtest
	SOAK=1 go test -race -count=1 -timeout 1h -v -run TestSimulate ./caddy/corpustest

.PHONY: bench
bench: test-tools ## Go benchmarks
	go test -p 1 -run '^$$' -bench . -benchmem ./...

.PHONY: check-caddyfiles
check-caddyfiles: build ## caddy fmt and validate on every Caddyfile that we publish
	scripts/check-caddyfiles bin/caddy-scim

.PHONY: xcaddy
xcaddy: build ## bin/caddy-scim-xcaddy, built through xcaddy as xcaddy.json says
# What xcaddy needs is in the module cache now; it would look for this module's
# own releases, which need not be those of this folder.
	GOPROXY=off GOSUMDB=off go run ./caddy/internal/xcaddybuild -output bin/caddy-scim-xcaddy

.PHONY: vuln
vuln: ## known vulnerabilities in what we use; needs https://vuln.go.dev
	scripts/vuln $(GOVULNCHECK)
