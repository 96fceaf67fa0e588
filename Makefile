# The words a newcomer types. `make demo` and `make test` are all that README promises.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Each of these may be given on the command line: make demo PORT=8080
PORT ?= 8000
IDP_PORT ?= 9000
DATA ?= var/demo
REQUIRE ?=
export PORT IDP_PORT DATA REQUIRE

.PHONY: demo test lint format messages bench-logout bench-outage bench-request bench-sweep test-races test-model pictures clean

demo: $(VENV)/.runs
	@$(BIN)/python -m sessionmgr.project.demo

test: $(VENV)/.tests
	@$(BIN)/python -m tests.gate

lint: $(VENV)/.tests
	@$(BIN)/python -m tests.gate --only lint

format: $(VENV)/.tests
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

# Brings the catalogues up to date and compiles them: once before translating, once after.
ADMIN := $(CURDIR)/$(BIN)/django-admin
APART := $(foreach each,$(filter-out templates locale,$(patsubst %/,%,$(wildcard */ .[a-z]*/))),-i $(each))
messages: $(VENV)/.runs
	@set -e; for folder in sessionmgr settings_app sessionmgr/project/demo .; do \
	  cd $(CURDIR)/$$folder; apart="-i project"; [ $$folder != . ] || apart="$(APART)"; \
	  $(ADMIN) makemessages --all --no-location --no-wrap -v0 $$apart; \
	  for po in locale/*/LC_MESSAGES/*.po; do \
	    sed -i.old '/^"POT-Creation-Date/d; /^"Report-Msgid-Bugs-To/d' $$po; rm $$po.old; done; \
	  $(ADMIN) compilemessages -v0 $$apart; done

# Minutes each, so not part of `make test`; docs/explanation holds the results.
bench-request: $(VENV)/.tests
	@$(BIN)/python -m benchmarks.request

bench-logout: $(VENV)/.tests
	@$(BIN)/python -m benchmarks.logout

bench-sweep: $(VENV)/.tests
	@$(BIN)/python -m benchmarks.sweep

bench-outage: $(VENV)/.tests
	@$(BIN)/python -m benchmarks.outage

test-races: $(VENV)/.tests
	@$(BIN)/python -m pytest -m slow -k "race or lock"

test-model: $(VENV)/.tests
	@$(BIN)/python -m pytest -m slow tests/sessionmgr

# The documentation's pictures, from the tests that hold the looks and walk the tutorial.
pictures: $(VENV)/.tests
	@mkdir -p docs/images/widget docs/images/provider
	@PICTURES=docs/images/widget $(BIN)/python -m pytest -q tests/browser/test_looks.py -k every_state
	@TUTORIAL_PICTURES=docs/images/provider $(BIN)/python -m pytest -q tests/browser/test_provider.py tests/browser/test_admin_center.py

clean:
	rm -rf $(VENV) .venv313 node_modules build dist var .coverage* .*_cache

# What is installed is installed again when the lists change.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is needed: apt-get install python3-venv"; exit 1; }

$(VENV)/.runs: requirements.txt | $(VENV)/bin/python
	@echo "Installing what the project runs on …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tests: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.runs
