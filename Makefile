# Every target builds the environment that it needs. Only Python 3.11, 3.12 or 3.13 and make are required.
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-real lint types contracts unit docs laws simulate-faults mutants fuzz erlang scorecard sensitivity robustness utilization skill bench bench-many flood soak grafana baseline lock clean

PYTHON := python3 python3.13 python3.12 python3.11 python
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
STAMP  := $(VENV)/.installed
SITE   := .venv-docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## build .venv from requirements.lock, with all packages for demo and tests

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

demo: venv ## run the daemon on a simulated AWS Region with workers, in one terminal
	@$(BIN)/autoscaler demo

test: lint types contracts unit ## run the checks of CI: lint, types, import contracts, tests

	@echo "make test: passed. make test-real runs the tests that need Prometheus or a browser." >&2

test-real: venv real-programs ## run the tests that need Prometheus or Chromium; installs missing programs
	$(BIN)/pytest -m real tests/real --numprocesses 2 --dist loadfile

# Each program, and the system package that contains it.
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

grafana: venv real-programs ## check the dashboards with Grafana's own npm packages: types, units, transformations (about half a minute)
	$(BIN)/python -m tests.real.grafana

lint: venv ## run ruff (style and formatting), the check for banned words, and vulture (dead code)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.prose
	$(BIN)/vulture

types: venv ## run mypy, strict
	$(BIN)/mypy

laws: venv ## check ten million decisions against the invariants of the core (about 20 minutes)
	$(BIN)/python -m tests.core.sweep 10000000

simulate-faults: venv ## simulate the whole daemon under faults: POLLS service-polls (about 2 minutes on two idle cores); RECORD=1 writes the figures of docs/guarantees.md
	$(BIN)/python -m tests.faults --polls $(POLLS) --adapters $(ADAPTERS) --crashes $(CRASHES) --first-seed $(FIRST_SEED) $(if $(RECORD),--record)
	$(if $(RECORD),$(BIN)/python -m tests.faults.page > docs/guarantees.md)

POLLS      := 200000
ADAPTERS   := 5000
CRASHES    := 200
FIRST_SEED := 0

mutants: venv ## mutation testing of the core (an estimated 30 to 40 minutes on two idle cores; goes on after an interruption); writes docs/mutants.md, or with MODULES="latency estimate" tests only these
	$(BIN)/python -m tests.mutants $(MODULES)

erlang: venv ## compare the simulator with queueing theory, 5 million messages per point (about 10 minutes)
	$(BIN)/python -m tests.sim.world.erlang 5000000

scorecard: venv ## run every policy on ten real traces (TRACES=FOLDER, about 20 minutes); writes docs/scorecard.md and its pictures
	@test -n "$(TRACES)" || { echo "make scorecard: set TRACES=FOLDER to the folder with the ten traces (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m bench.scorecard --traces $(TRACES)

sensitivity: venv ## change one parameter of the scorecard at a time (TRACES=FOLDER, about an hour); writes docs/sensitivity.md
	@test -n "$(TRACES)" || { echo "make sensitivity: set TRACES=FOLDER to the folder with the traces (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m bench.scorecard.sensitivity --traces $(TRACES)

robustness: venv ## run every scenario at 60, 300 and 900 s, with peers (about 3 minutes on 2 cores); writes docs/robustness.md
	$(BIN)/python -m bench.robustness

utilization: venv ## run services that follow their CPU on ten real traces (TRACES=FOLDER, about 4 minutes); writes docs/utilization.md
	@test -n "$(TRACES)" || { echo "make utilization: set TRACES=FOLDER to the folder with the traces (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m bench.utilization --traces $(TRACES)

skill: venv ## measure the error of the look-ahead on real traces (TRACES=FOLDER, about 3 minutes)
	@test -n "$(TRACES)" || { echo "make skill: set TRACES=FOLDER to the folder with the traces (docs/scorecard.md lists them)" >&2; exit 2; }
	$(BIN)/python -m tests.core.forecast.skill --traces $(TRACES)

fuzz: venv ## fuzz settings, tags, web.yml, arguments and answers of AWS, MINUTES=10 each (or TARGETS="tags web"), SEED= the first seed
	$(BIN)/python -m tests.fuzz $(TARGETS) --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

TRACES ?= $(firstword $(wildcard traces ../traces ../*/traces))

contracts: venv ## check the import contracts between layers
	$(BIN)/lint-imports

unit: venv ## run pytest
	$(BIN)/pytest --numprocesses 3 --dist worksteal

docs: $(SITE)/.installed ## build the site of docs/ in site/, with warnings as errors; the generator is in .venv-docs
	$(SITE)/bin/zensical build --strict

$(SITE)/.installed: requirements-docs.lock | venv
	rm -rf $(SITE) && $(BIN)/python -m venv $(SITE)
	$(SITE)/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r requirements-docs.lock
	@touch $@

bench: venv ## measure decisions per second, start-up time, memory; writes docs/benchmarks.md
	$(BIN)/python -m bench

bench-many: venv ## measure the daemon with ten thousand services, bursts, throttling, invalid responses, a week (about an hour); writes docs/benchmarks-many.md
	$(BIN)/python -m bench.many

soak: venv ## run 50 services for 30 minutes while a tenth of AWS's answers is damaged; fails if files or memory grow
	$(BIN)/python -m bench.enduring

flood: venv ## measure the HTTP server under floods of 1,000 hostile clients of each kind (about 4 minutes); writes docs/flood.md
	$(BIN)/python -m bench.flooding

baseline: venv ## record names and behavior in OUT=FOLDER (JOURNAL=, RENAMES=, TRACES=), or compare BEFORE= AFTER= (about 4 minutes)
	@test -n "$(OUT)$(BEFORE)" || { echo "make baseline: set OUT=FOLDER to record, or BEFORE=FOLDER AFTER=FOLDER to compare two recordings" >&2; exit 2; }
	$(if $(BEFORE),$(BIN)/python -m tests.baseline compare $(BEFORE) $(AFTER) $(if $(RENAMES),--renames $(RENAMES)),$(BIN)/python -m tests.baseline record --out $(OUT) $(if $(JOURNAL),--journal $(JOURNAL)) $(if $(RENAMES),--renames $(RENAMES)) $(if $(TRACES),--traces $(TRACES)))

lock: ## resolve the lock files again (needs uv)
	$(UV) pip compile pyproject.toml --extra demo --extra simulate --extra web --group dev $(LOCK_FLAGS) -o requirements.lock
	$(UV) pip compile pyproject.toml --extra web --constraints requirements.lock $(LOCK_FLAGS) -o requirements-run.lock
	$(UV) pip compile --group docs $(LOCK_FLAGS) -o requirements-docs.lock

UV         ?= uv
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## remove the files that the targets created
	rm -rf $(VENV) $(SITE) site .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
