# Every target builds the environment it needs; nothing but Python 3.11+ and make must be there.
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-real lint types contracts unit docs laws mutants erlang scorecard sensitivity skill bench bench-many baseline lock clean

PYTHON := python3 python3.13 python3.12 python3.11 python
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
STAMP  := $(VENV)/.installed
SITE   := .venv-docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## build .venv from requirements.lock, with everything for demo and tests

$(STAMP): requirements.lock pyproject.toml
	@found=; for python in $(PYTHON); do \
	    $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	        >/dev/null 2>&1 && { found=$$python; break; }; \
	done; \
	test -n "$$found" || { \
	    echo "make venv: no Python 3.11, 3.12 or 3.13 with venv and ensurepip among: $(PYTHON)"; \
	    echo "  install one (Debian: apt-get install python3 python3-venv) or name it: make venv PYTHON=/path/to/python3.12"; \
	    exit 1; } >&2; \
	echo "make venv: $$($$found --version) -> $(VENV), about a minute the first time" >&2; \
	rm -rf $(VENV) && $$found -m venv $(VENV)
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: venv ## an embedded AWS region, workers and the real daemon, in one terminal
	@$(BIN)/autoscaler demo

test: lint types contracts unit ## all that CI checks: lint, types, import contracts, tests

	@echo "make test: good. What needs Prometheus or a browser is left to make test-real." >&2

test-real: venv real-programs ## what needs Prometheus or Chromium: dashboards, rules, the page; installs what is missing
	$(BIN)/pytest -m real tests/real

# Each program, and the package of the system that brings it.
REAL := prometheus:prometheus promtool:prometheus chromium:chromium npm:npm
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: real-programs
real-programs:
	@for each in $(REAL); do command -v $${each%:*} >/dev/null || missing="$$missing $${each#*:}"; done; \
	test -z "$$missing" || { \
	    command -v apt-get >/dev/null || { \
	        echo "make test-real: install the packages$$missing" >&2; exit 1; }; \
	    $(SUDO) apt-get update -qq && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing >/dev/null; }

lint: venv ## ruff: style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv ## mypy, strict
	$(BIN)/mypy

laws: venv ## ten million decisions against every law of the core (about 20 minutes)
	$(BIN)/python -m tests.core.sweep 10000000

mutants: venv ## mistakes planted in the core: at least 90 % must be found (about 10 minutes); writes docs/mutants.md
	$(BIN)/python -m tests.mutants

erlang: venv ## the simulated world against queueing theory, 5 million messages a point (about 10 minutes)
	$(BIN)/python -m tests.sim.world.erlang 5000000

scorecard: venv ## every policy on ten real traces (TRACES=FOLDER, about 20 minutes); writes docs/scorecard.*
	@test -n "$(TRACES)" || { echo "make scorecard: TRACES=FOLDER says where the ten traces are (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m autoscaler.sim.scorecard --traces $(TRACES)

sensitivity: venv ## ours where one thing differs from the scorecard (TRACES=FOLDER, about an hour); writes docs/sensitivity.md
	@test -n "$(TRACES)" || { echo "make sensitivity: TRACES=FOLDER says where the traces are (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m autoscaler.sim.scorecard.sensitivity --traces $(TRACES)

skill: venv ## the look-ahead's error on real traces (TRACES=FOLDER, about 3 minutes)
	@test -n "$(TRACES)" || { echo "make skill: TRACES=FOLDER says where the traces are (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m tests.core.forecast.skill --traces $(TRACES)

TRACES ?= $(firstword $(wildcard traces ../traces ../*/traces))

contracts: venv ## the floors of the house: who may import whom
	$(BIN)/lint-imports

unit: venv ## pytest
	$(BIN)/pytest --numprocesses 2

docs: $(SITE)/.installed ## the site of docs/ in site/, warnings being errors; its generator goes into .venv-docs
	$(SITE)/bin/zensical build --strict

$(SITE)/.installed: requirements-docs.lock | venv
	rm -rf $(SITE) && $(BIN)/python -m venv $(SITE)
	$(SITE)/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r requirements-docs.lock
	@touch $@

bench: venv ## decisions a second, start-up time, memory; writes docs/benchmarks.md
	$(BIN)/python -m bench

bench-many: venv ## the daemon before ten thousand services, bursts, throttling, poison, a week (about an hour); writes docs/benchmarks-many.md
	$(BIN)/python -m bench.many

baseline: venv ## record names and behaviour in OUT=FOLDER (JOURNAL=, RENAMES=, TRACES=), or compare BEFORE= AFTER=; about 4 minutes
	@test -n "$(OUT)$(BEFORE)" || { echo "make baseline: OUT=FOLDER records there; BEFORE=FOLDER AFTER=FOLDER compares two recordings" >&2; exit 2; }
	$(if $(BEFORE),$(BIN)/python -m tests.baseline compare $(BEFORE) $(AFTER) $(if $(RENAMES),--renames $(RENAMES)),$(BIN)/python -m tests.baseline record --out $(OUT) $(if $(JOURNAL),--journal $(JOURNAL)) $(if $(RENAMES),--renames $(RENAMES)) $(if $(TRACES),--traces $(TRACES)))

lock: ## resolve the locks anew (needs uv)
	$(UV) pip compile pyproject.toml --extra demo --extra simulate --group dev $(LOCK_FLAGS) -o requirements.lock
	$(UV) pip compile pyproject.toml $(LOCK_FLAGS) -o requirements-run.lock
	$(UV) pip compile --group docs $(LOCK_FLAGS) -o requirements-docs.lock

UV         ?= uv
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## remove what the targets made
	rm -rf $(VENV) $(SITE) site .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
