# SPDX-License-Identifier: GPL-2.0
# What a person types; `make help` explains each target. How the module itself is put together is in Kbuild.

ARCH ?= $(if $(filter aarch64,$(shell uname -m)),arm64,x86_64)
ifneq ($(filter-out x86 x86_64 amd64 arm64 riscv64 s390x,$(ARCH)),)
$(error ARCH is $(ARCH), but rvs is built for x86_64, arm64, riscv64 and s390x only)
endif
# The machines that have another kernel than x86_64, under Debian's names.
OTHER := $(filter arm64 riscv64 s390x,$(ARCH))
ifneq ($(filter-out amd64 cloud-amd64,$(FLAVOUR)),)
$(error FLAVOUR is $(FLAVOUR), but may be amd64 or cloud-amd64 only)
endif
MODULE := $(if $(KDIR),$(KDIR),$(if $(OTHER),$(if $(filter arm64,$(ARCH)),stock-arm64,$(ARCH)),$(if $(filter amd64,$(FLAVOUR)),stock-metal,stock)))
# The kernel's own makefiles take whatever is exported, even nothing, for an architecture.
ifeq ($(ARCH),arm64)
export ARCH
else
unexport ARCH
endif
ifneq ($(OTHER),)
export RVS_ARCH := $(OTHER)
endif
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := module

.PHONY: module
module: ## build rvs.ko for the newest stock Debian kernel [ARCH=arm64|riscv64|s390x, or FLAVOUR=amd64: bare metal] or a kernel tree [KDIR=path]
	@scripts/build $(MODULE)

.PHONY: demo
demo: ## boot a stock kernel and watch real HTTP go through rvs.ko [ARCH=arm64|riscv64|s390x]
	@qemu/demo

.PHONY: test
test: ## everything that proves it: gates, lint, host tests, KUnit, scenarios against the C module
	@scripts/test

.PHONY: scenario host kunit
scenario: ## only the scenarios whose `file: case` matches a regular expression, on both modules F=pattern [ARCH=arm64|riscv64|s390x]
	@qemu/scenario '$(F)'
host: ## only the host tests: properties, snapshots, loom, the fuzzers' corpus
	@scripts/host
kunit: ## only the KUnit suites, on the debug kernel
	@RVS_GUESTS=debug qemu/run-tests

.PHONY: fuzz
fuzz: ## give a parser or rewriter new inputs; without a TARGET it lists them [TARGET=name SECONDS=60 SEED=n]
	@scripts/fuzz '$(TARGET)' $(or $(SECONDS),60) $(SEED)

.PHONY: nightly
nightly: ## one long test, noted in docs/nightly.md; without a PART it lists them [PART=name]
	@scripts/nightly '$(PART)'

.PHONY: gates lint
gates: ## the checks of source and linked module: check-layers, check-unsafe, check-panics, check-object, …
	@scripts/gates
lint: ## rustfmt, and clippy with the kernel's lints and ours; warnings are errors
	@scripts/lint

.PHONY: bench
bench: ## measure rvs beside ip_vs, in exact instruction counts and in time, into docs/performance.md [QUICK=1: packets only]
	@qemu/bench $(if $(QUICK),--quick)

.PHONY: plots
plots: ## draw what each scheduler does when a server leaves and returns, from real runs, into docs/schedulers
	@qemu/plots

.PHONY: profile
profile: ## where the instructions of one row of `make bench` go, by function [ROW="IPv4 TCP NAT reply"]
	@qemu/profile "$(ROW)"

.PHONY: shell
shell: ## a shell on a director in QEMU, with rvs loaded
	@qemu/shell

.PHONY: mutate
mutate: ## change random tokens and see whether the tests notice [SEED=n] (takes long)
	@scripts/mutate

.PHONY: clean
clean: ## remove what was built here; the cache ($RVS_CACHE, default ~/.cache/rvs) stays
	@rm -rf build tests/host/target rust/ipvs/target rust/target

.PHONY: help
help: ## this text
	@echo "rvs, the IP Virtual Server in Rust:"
	@sed -n 's/^\([a-z]*\): ## /\1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'
	@echo "Set RVS_CACHE for another cache folder, RVS_MIRROR for another Debian mirror, RVS_REFRESH=1 to look for a newer kernel."
