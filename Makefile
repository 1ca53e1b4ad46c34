# make demo        see it work in a minute: nothing but python3, python3-venv and make
# make test        all tests, with real servers where they can be installed
# make help        the rest

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.PHONY: help demo test test-fast real-servers lint types floors format docs torture bench-backlog bench-latency clean

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make test-fast    the tests that need no real server"
	@echo "make lint types floors"
	@echo "make docs         write the generated pages of docs/ anew"
	@echo "make torture      the long proofs: every failpoint, a hundred random kills (about 20 minutes)"
	@echo "make bench-backlog bench-latency   against mbsync, in one sitting"

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit("mailwicket needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV) || { echo "The module venv is missing: on Debian, apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"])')
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/mailwicket demo

real-servers:
	@tests/real/install

test: $(VENV)/.dev real-servers
	$(BIN)/python -m pytest

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not real"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

floors: $(VENV)/.dev
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python -m mailwicket.config.reference > docs/config.md

torture: $(VENV)/.dev real-servers
	$(BIN)/python -m pytest -m torture --timeout 3600 tests/real

bench-backlog: $(VENV)/.dev real-servers
	@bench/install
	$(BIN)/python -m bench.backlog

bench-latency: $(VENV)/.dev real-servers
	$(BIN)/python -m bench.latency

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
