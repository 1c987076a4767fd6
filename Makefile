# What there is to run. Every target does its own set-up; a Rust toolchain is all that is needed.

.PHONY: help test show demo count package bench-wire overload mutants sim crash scale ack fuzz fmt lint docs
.DEFAULT_GOAL := help

# Which Show lines: an issue's name (a file of tools/shows) or all.
ISSUE ?= all
# A part of the sample of mutants, such as 2/6; without it all of it.
PIECE ?=
# Of `sim`: how many storms, of how many steps; PLANT=all plants faults, which it must notice.
SEEDS ?= 1000
STEPS ?= 2000
PLANT ?=
# Arguments of the demo, such as DEMO_ARGS="--seconds 60".
DEMO_ARGS ?=

# How often `make crash` kills the server.
ROUNDS ?= 200

# How long `make fuzz` goes on, in all.
SECONDS ?= 600

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

test: ## Every test, against the real binary where it matters
	@tools/test

show: ## The Show lines: make show ISSUE=path, or all
	@tools/show $(ISSUE)

demo: ## Build for a newcomer and run everything on embedded defaults
	cargo run --locked --profile demo -- demo $(DEMO_ARGS)

crash: ## What the store survives, at length: ROUNDS=200 of kill -9 under load, torn and flipped journals, troubles
	ROUNDS=$(ROUNDS) cargo test --locked --test all -- kill:: crash:: --nocapture --test-threads 1

count: ## Instructions of a decision beside those recorded; a rise of more than 3 % fails
	@tools/count

package: ## A Debian package, in target/debian
	@tools/package

bench-wire: ## The canonical bench over sockets, beside a bare hyper server: PAIRS=16
	@tools/bench-wire

overload: ## Bids beyond what can be answered, and beside connections nobody needs: USERS=1000000 SECONDS_EACH=20 PERCENT=100
	@tools/overload overload
	@tools/overload floods

scale: ## Many shoppers on one machine: bytes of each, load at start, bids while others leave: USERS=10000000
	@tools/scale

fuzz: ## Everything that reads bytes from outside, by libFuzzer on the stable compiler: SECONDS=600 for all targets together
	@tools/fuzz $(SECONDS)

ack: ## How long an event waits for its acknowledgement, beside a bare fdatasync: ROUNDS=3 SECONDS_EACH=10 USERS=200000
	@tools/ack

mutants: ## A fixed sample of mutants, and which of them no test catches: PIECE=1/6 for a sixth of it
	@tools/mutants $(PIECE)

sim: ## Storms on virtual time: memory and money against a model; SEEDS=1000 STEPS=2000, or PLANT=all
ifeq ($(PLANT),)
	@SEEDS=$(SEEDS) STEPS=$(STEPS) cargo test --locked --test all storm:: -- --nocapture
else
	@SEEDS=60 tools/plant sim $(filter-out all,$(PLANT))
endif

fmt: ## Format the code
	cargo fmt

lint: ## Formatting and clippy; any warning is an error
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

docs: ## The crate's documentation; any warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
