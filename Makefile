# Everything that one can do here, one target each. `make test` needs python3 (3.11 or later), gpg
# and git; the demo says what else it needs.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin

.PHONY: help venv test lint judge demo e2e demo-tag2upload fixtures

help:
	@echo 'make test      lint, types and tests'
	@echo 'make demo      a real dgit upload under the gate: first a failing archive, then a working one'
	@echo 'make e2e       Debian sid'\''s own tag2upload, in a root that this builds: stock, and gated'
	@echo 'make demo-tag2upload   the same job there, stock and gated, side by side'
	@echo 'make judge     gpg itself judges our reading of generated command lines (N=, SEED=)'
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
	$(BIN)/pytest --cov

# `make judge N=50000 SEED=1`; with ROOT=DIR, the gpg of that root.
N = 2000
SEED = 1
judge: venv
	$(BIN)/python -m tests.judge --seed $(SEED) --n $(N) $(if $(ROOT),--root $(ROOT))

demo: venv
	$(BIN)/python -m tests.demo

# The sid root is built once, by root, and kept in the cache directory.
e2e: venv
	tests/world/sidroot build
	GPGSHIM_E2E=1 $(BIN)/pytest tests/test_e2e.py

demo-tag2upload: venv
	tests/world/sidroot build
	$(BIN)/python -m tests.world.beside

fixtures: venv
	$(BIN)/python -m tests.record
