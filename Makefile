# What there is to run. Every target does its own set-up; a Rust toolchain is all that is needed.

.PHONY: help test show demo fmt lint docs
.DEFAULT_GOAL := help

# Which Show lines: an issue's name (a file of tools/shows) or all.
ISSUE ?= all
# Arguments of the demo, such as DEMO_ARGS="--seconds 60".
DEMO_ARGS ?=

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

test: ## Every test, against the real binary where it matters
	@tools/test

show: ## The Show lines: make show ISSUE=path, or all
	@tools/show $(ISSUE)

demo: ## Build for a newcomer and run everything on embedded defaults
	cargo run --locked --profile demo -- demo $(DEMO_ARGS)

fmt: ## Format the code
	cargo fmt

lint: ## Formatting and clippy; any warning is an error
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

docs: ## The crate's documentation; any warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
