# Everything that one can do here, one target each. `make test` needs python3 (3.11 or later), gpg
# and git; the demo says what else it needs.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin

.PHONY: help venv test lint demo fixtures

help:
	@echo 'make test      lint, types and tests'
	@echo 'make demo      a real dgit upload under the gate: first a failing archive, then a working one'
	@echo 'make fixtures  record the transcripts in fixtures/ again'

# A venv of another machine, or of a python3 that is gone, is made anew. Debian has the module that
# makes one in a package of its own.
$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { set -x; test `id -u` = 0 \
	    && apt-get -qq update && apt-get -qq install --yes --no-install-recommends python3-venv; } \
	    || { echo 'As root: apt-get install python3-venv'; exit 69; }
	$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

venv: $(VENV)/ready

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

demo: venv
	$(BIN)/python -m tests.demo

fixtures: venv
	$(BIN)/python -m tests.record
