# The one door: `make help` lists what it opens. Needs python3 ≥ 3.11, make and git; nothing else for `make demo`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= auto
# Locks and the project file decide what is installed: a second call with nothing changed is instant.
INPUTS := requirements/dev.lock pyproject.toml

.PHONY: help setup demo test lint types format crash verify bench bench-collect bench-preview lock clean docs machine wheel

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): $(INPUTS) tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash tools/setup.sh
	@touch $@

setup: $(STAMP) ## Make .venv with everything in it, hashes checked

demo: $(STAMP) ## Run the main job end to end: collect, compose, send, unsubscribe, prove (no network needed)
	@$(BIN)/digest demo $(ARGS)

test: $(STAMP) machine ## Run every test (PostgreSQL and Chromium are used when they are there)
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)

machine: ## Find PostgreSQL, Chromium and mailauth for the tests; install what can be installed
	@VENV="$(VENV)" bash tools/machine.sh

# For each of the six configurations.
crash: export DIGEST_CRASH_DELIVERIES ?= 34000
crash: export DIGEST_CRASH_FAULTS ?= 40
crash: $(STAMP) machine ## Kill, freeze and restart workers, relay and database, and count what arrived (20 minutes)
	@$(BIN)/pytest -m crash -n 0 -s $(ARGS)

bench: $(STAMP) ## Measure delivery beside what others do (about 25 minutes; ARGS="--quick", "--only cpu", "--write")
	@$(BIN)/python -m bench $(ARGS)

bench-collect: $(STAMP) ## Measure collecting beside what others do, on the data in ../shared/data (ARGS="--only feeds", "--write")
	@$(BIN)/python -m bench.collect $(ARGS)

bench-preview: $(STAMP) ## Measure the template workshop against its bars, in a real Chromium (a minute)
	@$(BIN)/python -m bench.preview

lint: $(STAMP) ## Format check, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >.lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@rm -f .lint-imports.log; echo "layers: kept"

types: $(STAMP) ## Types only
	@$(BIN)/mypy

format: $(STAMP) ## Format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(STAMP) ## Write the generated reference pages again
	@$(BIN)/python tools/docs_cli.py
	@$(BIN)/python tools/docs_contract.py

wheel: $(STAMP) ## Build the wheel into dist/
	@$(BIN)/hatchling build -t wheel

lock: ## Resolve the dependencies again (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q pyproject.toml -o requirements/run.lock
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q pyproject.toml --group dev -o requirements/dev.lock

clean: ## Remove what the other commands made
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
