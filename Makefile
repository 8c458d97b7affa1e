# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

# Everything that one can do here, one target each. tools/packages lists what each needs of Debian:
# what is missing is installed if root runs make; anyone else is told the line that does.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin

.NOTPARALLEL:  # make -j has nothing to win here: the tests use all processors by themselves
.PHONY: help needs-demo needs-test needs-places needs-pictures venv test quick lint judge demo \
	e2e e2e-record deployed demo-tag2upload dgit-tests fixtures places places-table proof crash model \
	fuzz pictures bench deb fresh

help:
	@echo 'make test      lint, types and tests, on all processors'
	@echo 'make quick     the pure tests, in half a minute: no process is started, no gpg is needed'
	@echo 'make demo      a real dgit upload under the gate: first a failing archive, then a working one'
	@echo 'make e2e       Debian'\''s own tag2upload, in a root that this builds: stock, and gated (ROOT=, QUICK=)'
	@echo 'make e2e-record   write the table in TAG2UPLOAD.md, and the fixtures, from what it saw'
	@echo 'make deployed  one job there under systemd --user, as Debian'\''s own unit has it (ROOT=)'
	@echo 'make demo-tag2upload   the same job there, stock and gated, side by side (ROOT=)'
	@echo 'make judge     gpg itself judges our reading of generated command lines (N=, SEED=, ROOT=)'
	@echo 'make dgit-tests  dgit'\''s own tests, plain and under the gate, side by side (ROOT=, TESTS=)'
	@echo 'make places    one job that signs, in every place where one can run (places-table writes the table)'
	@echo 'make proof     the quick part of the next three, and misleading environments'
	@echo 'make model     explore every state of all who take part, and every mutant of the tables'
	@echo 'make fuzz      N= inputs to all that reads what others wrote'
	@echo 'make crash     stop each process at each of its calls; make each call fail; spoil the code'
	@echo 'make bench     measure what all this costs, side by side, into bench/RESULTS.md (RUNS=)'
	@echo 'make deb       the Debian package, built in sid, tried in sid and trixie, into build/deb'
	@echo 'make fresh     make demo and make test on a machine that has only git and make (SUITE=)'
	@echo 'make fixtures  record the transcripts in fixtures/ again'
	@echo 'make pictures  take the pictures in doc/ again, of real jobs, in chromium'
	@echo
	@echo 'ROOT is trixie or sid. The default is trixie with backports, which is what production runs;'
	@echo 'make judge without ROOT asks the gpg of this machine.'

# Debian has the module that makes a venv in a package of its own.
NEEDS = tools/needs $(shell $(PYTHON) -c 'import ensurepip' 2>/dev/null || echo venv)
needs-demo: ; @$(NEEDS) demo
needs-test: ; @$(NEEDS) demo test
needs-places: ; @$(NEEDS) places
needs-pictures: ; @$(NEEDS) pictures

# A venv of another machine, or of a python3 that is gone, is made anew.
$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/needs venv
	$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

venv: $(VENV)/ready

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A file of tests is run by one process: its tests share what they made.
PARALLEL = --numprocesses auto --dist loadfile
test: needs-test lint
	$(BIN)/pytest $(PARALLEL) --cov

quick: venv
	$(BIN)/pytest $(PARALLEL) -m pure

# The Debian root in which programs are run: trixie with backports, as production is, or ROOT=sid.
DEBIAN = $(or $(ROOT),trixie)
export GPGSHIM_ROOT = $(DEBIAN)

# `make judge N=50000 SEED=1`; with ROOT=trixie or ROOT=sid, the gpg of that root.
N = 2000
SEED = 1
judge: venv
	$(if $(ROOT),tools/world/debroot build $(ROOT))
	$(BIN)/python -m tools.judge --seed $(SEED) --n $(N) \
	    $(if $(ROOT),--root "$$(tools/world/debroot path $(ROOT))")

demo: needs-demo venv
	$(BIN)/python -m tools.demo

# A root is built once, by root, and kept in the cache directory. With QUICK=1, the quick part.
e2e: venv
	tools/world/debroot build $(DEBIAN)
	GPGSHIM_E2E=1 GPGSHIM_E2E_REPORTS=build/e2e/$(DEBIAN) \
	    $(BIN)/pytest tests/real/test_e2e.py tests/real/test_doctor_oracle.py $(if $(QUICK),-m quick)

# From what `make e2e` saw: the table in TAG2UPLOAD.md, of both roots; and the journals in
# fixtures/tag2upload, of one. And what dgit, ssh, curl and git say when they fail, in
# fixtures/failures.
e2e-record: venv
	$(BIN)/python -m tools.world.table build/e2e
	$(BIN)/python -m tools.world.record build/e2e/$(DEBIAN)
	$(BIN)/python -m tools.world.failures

# Debian's own unit, started by `systemd --user`, with our directory on its PATH. It takes root.
deployed: venv
	tools/world/debroot build $(DEBIAN)
	$(BIN)/python -m tools.world.deployed

demo-tag2upload: venv
	tools/world/debroot build $(DEBIAN)
	$(BIN)/python -m tools.world.beside

deb:
	tools/world/debroot build sid
	tools/world/debroot build trixie
	tools/world/debpackage build/deb

# It takes an hour or two: not in CI. What came of it is kept in tools/world/dgit-tests.md.
dgit-tests: venv
	tools/world/debroot build $(DEBIAN)
	$(BIN)/python -m tools.world.dgit_tests $(TESTS)

# As root and as a user, each on a machine of its own, which takes root to make.
SUITE = trixie
fresh:
	tools/world/freshroot check $(SUITE)

# What takes longer than one wants to wait for at each change.
proof: venv
	$(BIN)/pytest tests/proof

# One job that signs, in every place that this machine has. As root it has most.
places: needs-places venv
	$(BIN)/pytest tests/place

places-table: venv
	$(BIN)/python -m tools.place --write

model: venv
	$(BIN)/python -um tools.model

fuzz: venv
	$(BIN)/python -um tools.fuzz --n $(N)

crash: venv
	$(BIN)/python -um tools.crash
	$(BIN)/python -um tools.crash --fail
	$(BIN)/python -um tools.crash --move
	for place in 'an ordinary user' 'gpgshim is PID 1' '0, 1, 2'; do \
	    $(BIN)/python -um tools.crash --face run --place "$$place" || exit; done
	$(BIN)/python -um tools.crash --spoil all

# The pictures in doc/.
pictures: needs-pictures venv
	$(BIN)/python -m tools.pictures

# With hyperfine where it is installed; the interpreter that is measured is Debian's. The driver
# needs nothing that is not in it either.
RUNS = 200
bench:
	$(PYTHON) -m bench --runs $(RUNS)

fixtures: venv
	$(BIN)/python -m tools.record
