# make test        all tests, with real servers where they can be installed
# make demo        the daemon at work on a dozen mails, without a mail server or a configuration
# make torture     deaths at every step, random kills, faults of the machine, hostile servers: 80 minutes
# make help        the rest

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.PHONY: help test test-fast torture live demo real-servers lint types floors format bench-servers bench-backlog bench-latency bench-loop bench-idle bench-parse bench-decide bench-keep bench-send clean

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make test-fast    the tests that need no real server"
	@echo "make live         what the double of Microsoft Graph claims, asked of Microsoft (tests/live)"
	@echo "make lint types floors"
	@echo "make bench-backlog   how fast a full mailbox becomes tickets, beside mbsync"
	@echo "make bench-latency   how soon an announced mail is a ticket, beside fetchmail"
	@echo "make bench-loop      how long any mail holds up the event loop"
	@echo "make bench-idle      what 1,000 idle TLS mailboxes cost, beside aioimaplib alone"
	@echo "make bench-parse     how fast mails are read, beside stdlib email and fast-mail-parser"
	@echo "make bench-decide    how long a decision takes beside reading the mail"
	@echo "make bench-keep   where small mails are cheapest to keep"
	@echo "make bench-send      how fast the outbox is sent, beside a bare loop over aiosmtplib"

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit("mailwicket needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV) || { echo "The module venv is missing: on Debian, apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"])')
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["bench"])')
	@touch $@

$(VENV)/.demo: $(VENV)/.installed
	$(PIP) --no-build-isolation --editable '.[demo]'
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/mailwicket demo

real-servers:
	@tests/real/install

# Most of a test's time is waiting for processes: as many at a time as two cores carry without spoiling what is measured.
test: $(VENV)/.dev real-servers
	$(BIN)/python -m pytest -n 4 --dist worksteal

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not real and not live and not torture"

torture: $(VENV)/.dev real-servers
	$(BIN)/python -m pytest -m torture -s tests/real tests/flow tests/hostile tests/unit tests/dialogue

live: $(VENV)/.dev
	$(BIN)/python -m pytest -m live -s tests/live

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

bench-servers:
	@bench/install

bench-backlog: $(VENV)/.dev bench-servers
	$(BIN)/python -m bench.backlog

bench-latency: $(VENV)/.dev bench-servers
	$(BIN)/python -m bench.latency

bench-loop: $(VENV)/.dev bench-servers
	$(BIN)/python -m bench.loop

bench-idle: $(VENV)/.dev real-servers
	$(BIN)/python -m bench.idle

bench-parse: $(VENV)/.bench
	$(BIN)/python -m bench.parse

bench-decide: $(VENV)/.dev
	$(BIN)/python -m bench.decide

bench-keep: $(VENV)/.dev
	$(BIN)/python -m bench.keep

bench-send: $(VENV)/.dev bench-servers
	$(BIN)/python -m bench.send

clean:
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
