# SPDX-License-Identifier: Apache-2.0
# `make help` explains. Guest libraries have rules of their own, in guest/*/build.mk.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BUILD ?= build
DESTDIR ?=
PREFIX ?= /usr
# The release that programs and libraries say they are.
RELEASE ?= $(shell sed -n 's/^var Version = "\(.*\)"/\1/p' host/release/release.go)
# Downloads that outlive a clone: tool chains of CUDA and, where the distribution's is too old, Go.
ORION_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/orion
export ORION_CACHE BUILD
export PATH := $(ORION_CACHE)/go/bin:$(PATH)

include guest/libcuda/build.mk
include guest/libnvidia-ml/build.mk

# go-nvml calls functions that the machine's NVML may lack: they must be bound when called, not at start. NVIDIA
# calls some of them deprecated.
export CGO_LDFLAGS := -O2 -g -Wl,-z,lazy
export CGO_CFLAGS := -O2 -g -Wno-deprecated-declarations
# libvirt is loaded where there is one, and not linked.
TAGS = libvirt_dlopen
GO_BUILD = go build -tags $(TAGS) -trimpath -ldflags '-X github.com/orion-vgpu/orion/host/release.Version=$(RELEASE)'

.PHONY: help
help: ## Show this help
	@echo 'Orion vGPU: CUDA programs on GPUs of a pool. First try: make demo'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables: BUILD=$(BUILD) RELEASE=$(RELEASE) DESTDIR= PREFIX=$(PREFIX) ORION_CACHE=$(ORION_CACHE)'
	@echo '           V=1 shows the C compiler at work; RUN=PATTERN chooses tests, PACKAGES their packages'

##@ Build

.PHONY: build libraries programs
build: libraries programs ## Build programs into build/bin and the client's libraries into build/lib

libraries: guest-libcuda guest-libnvidia-ml

# Another release means other libraries.
$(LIBCUDA_OBJECTS) $(LIBNVML_OBJECTS): $(GUEST_OBJ)/release
$(GUEST_OBJ)/release: FORCE
	@mkdir -p $(@D)
	@echo '$(RELEASE)' | cmp -s - $@ || echo '$(RELEASE)' >$@
.PHONY: FORCE

# What runs everywhere is static; oriond loads the NVIDIA driver where there is one, and so needs cgo.
programs:
	@mkdir -p $(BUILD)/bin
	CGO_ENABLED=1 $(GO_BUILD) -o $(BUILD)/bin/ ./host/cmd/oriond
	CGO_ENABLED=0 $(GO_BUILD) -o $(BUILD)/bin/ ./controller/cmd/orion-controller ./guest/cmd/...

.PHONY: generate
generate: ## Write the code that follows from the specifications in proto/
	go run ./proto/cuda/generate
	proto/pool/generate

.PHONY: coverage
coverage: ## Say how much of the CUDA driver API is served
	@go run ./proto/cuda/generate --coverage

.PHONY: clean
clean: ## Remove what was built (the downloads in ORION_CACHE stay)
	rm -rf $(BUILD)

##@ Try

.PHONY: setup
setup: ## Install what building and testing need, by the distribution's package manager
	@packaging/setup build test

.PHONY: demo
demo: ## Start a pool of two nodes, run a CUDA program on two vGPUs, stop it all
	@packaging/setup build
	@$(MAKE) --no-print-directory build
	@tests/demo/run

##@ Test

RUN ?= .
FUZZ ?= 30s
FUZZERS ?= .
# Tells of failures, and in the end of what was skipped and why. GOTEST='go test' does without it.
GOTEST ?= go run gotest.tools/gotestsum@v1.13.0 --format pkgname-and-test-fails --format-hide-empty-pkg \
	--jsonfile $(BUILD)/$@.json --

.PHONY: test
test: ## Set up, build, and run every test that needs no GPU
	@packaging/setup build test
	@tests/cuda/toolchain
	@tests/nvml/tools >/dev/null || true
	@$(MAKE) --no-print-directory --keep-going build vet test-go test-chain test-vm

.PHONY: vet
vet: ## Check Go code by go vet and gofmt
	go vet ./...
	go vet -tags $(TAGS) ./vmm/... ./host/cmd/...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt -w:" $$unformatted; exit 1; }

# Half of their time these tests wait, so that more packages run at once than there may be cores. The chain's programs are
# compiled and run as processes, where the race detector sees nothing.
.PHONY: test-go
test-go: ## Test the Go packages under the race detector, and with them the C libraries
	@mkdir -p $(BUILD)
	$(GOTEST) -tags $(TAGS) -race -p 4 -timeout 10m -run '$(RUN)' $(or $(PACKAGES),$$(go list ./... | grep -v '/orion/tests/'))

.PHONY: test-chain
test-chain: libraries programs ## Run real CUDA programs through the whole chain on software GPUs
	@mkdir -p $(BUILD)
	$(GOTEST) -count=1 -timeout 15m -run '$(RUN)' $(or $(PACKAGES),$$(go list ./tests/... | grep -v '/tests/vm'))

.PHONY: test-vm
test-vm: libraries programs ## Run CUDA programs in virtual machines (as root, with libvirt and QEMU)
	@mkdir -p $(BUILD)
	$(GOTEST) -count=1 -timeout 20m -run '$(RUN)' $(or $(PACKAGES),./tests/vm/...)

.PHONY: gpu-tests
gpu-tests: libraries programs ## Pack build/gpu, whose script run qualifies a build on a machine with GPUs, without Go
	tests/gpu/prepare $(BUILD)/gpu

.PHONY: fuzz
fuzz: ## Run each fuzzer, or those that FUZZERS matches, for FUZZ=30s
	@FUZZ=$(FUZZ) tests/fuzz '$(FUZZERS)'

.PHONY: lint
lint: vet ## Check Go code, and the scripts by shellcheck
	shellcheck -x $$(git grep -lE '^#!.*\b(ba)?sh\b' -- ':!*.c' ':!*.go')

##@ Install

INSTALL ?= install

.PHONY: installer
installer: libraries programs ## Make build/install-client, which installs the client on any machine
	guest/installer/build $(BUILD)/install-client $(RELEASE) $(BUILD)/bin $(GUEST_LIB)

bin := $(DESTDIR)$(PREFIX)/bin
lib := $(DESTDIR)$(PREFIX)/lib
etc := $(DESTDIR)/etc

.PHONY: install install-host install-controller install-client
install: install-host install-controller install-client ## Install all parts under DESTDIR

install-host: ## Install oriond, for machines with GPUs
	$(INSTALL) -D -m 0755 $(BUILD)/bin/oriond $(bin)/oriond
	$(INSTALL) -D -m 0644 packaging/conf/server.conf $(etc)/orion/server.conf
	$(INSTALL) -D -m 0644 packaging/systemd/oriond.service $(lib)/systemd/system/oriond.service
	$(INSTALL) -D -m 0644 packaging/systemd/orion.sysusers $(lib)/sysusers.d/orion.conf
	$(INSTALL) -D -m 0644 packaging/systemd/orion.tmpfiles $(lib)/tmpfiles.d/orion.conf

install-controller: ## Install orion-controller, for one machine of the pool
	$(INSTALL) -D -m 0755 $(BUILD)/bin/orion-controller $(bin)/orion-controller
	$(INSTALL) -D -m 0644 packaging/conf/controller.conf $(etc)/orion/controller.conf
	$(INSTALL) -D -m 0644 packaging/systemd/orion-controller.service $(lib)/systemd/system/orion-controller.service
	$(INSTALL) -D -m 0644 packaging/systemd/orion.sysusers $(lib)/sysusers.d/orion.conf

# The dynamic linker is told of the libraries only where LDCONFIG=1 asks for it: on a machine with a GPU they would
# stand in front of NVIDIA's own, for every program and for oriond.
install-client: ## Install the client's libraries and tools; LDCONFIG=1 makes all programs use them
	$(INSTALL) -D -m 0755 -t $(bin) $(patsubst guest/cmd/%,$(BUILD)/bin/%,$(wildcard guest/cmd/*))
	$(INSTALL) -D -m 0644 packaging/conf/client.conf $(etc)/orion/client.conf
	$(INSTALL) -D -m 0755 -t $(lib)/orion $(GUEST_LIB)/libcuda.so.1 $(GUEST_LIB)/libnvidia-ml.so.1 packaging/udev/grant-device
	$(INSTALL) -D -m 0644 packaging/systemd/orion-client.sysusers $(lib)/sysusers.d/orion-client.conf
	$(INSTALL) -D -m 0644 packaging/systemd/orion-relay.service $(lib)/systemd/system/orion-relay.service
	$(INSTALL) -d $(lib)/udev/rules.d
	sed 's|/usr/lib/orion|$(PREFIX)/lib/orion|' packaging/udev/70-orion.rules >$(lib)/udev/rules.d/70-orion.rules
	ln -sf libcuda.so.1 $(lib)/orion/libcuda.so
	ln -sf libnvidia-ml.so.1 $(lib)/orion/libnvidia-ml.so
ifdef LDCONFIG
	$(INSTALL) -d $(etc)/ld.so.conf.d
	echo $(PREFIX)/lib/orion >$(etc)/ld.so.conf.d/000-orion.conf
	[ -n "$(DESTDIR)" ] || ldconfig
endif
