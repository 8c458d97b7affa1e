# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

# The commands for contributors, one target each. tools/packages lists the Debian packages that each
# needs. If root runs make, missing packages are installed; otherwise the command for that is printed.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin

.NOTPARALLEL:  # make -j has nothing to win here: the tests use all processors by themselves
.PHONY: help needs-demo needs-test needs-places needs-pictures venv test quick lint judge demo \
	e2e e2e-record deployed demo-tag2upload dgit-tests fixtures places places-table proof crash model \
	fuzz pictures bench deb fresh

help:
	@echo 'make test      lint, types and tests, on all processors'
	@echo 'make quick     the pure tests, in about a minute: no process is started, no gpg is needed'
	@echo 'make demo      a real dgit upload under the gate: first a failing archive, then a working one'
	@echo 'make e2e       Debian'\''s own tag2upload in a Debian root, without the gate and with it (ROOT=, QUICK=)'
	@echo 'make e2e-record   write the table in TAG2UPLOAD.md, and the fixtures, from the reports of e2e'
	@echo 'make deployed  two jobs in that root, started by Debian'\''s own unit under systemd --user (ROOT=)'
	@echo 'make demo-tag2upload   the bug in that root, without the gate and with it, side by side (ROOT=)'
	@echo 'make judge     compare our reading of generated command lines with the real gpg (N=, SEED=, ROOT=)'
	@echo 'make dgit-tests  dgit'\''s own tests, without the gate and under it, side by side (ROOT=, TESTS=)'
	@echo 'make places    one job that signs, in every place where a job can run (places-table writes the table)'
	@echo 'make proof     the quick part of the next three, and misleading environments'
	@echo 'make model     explore every state of the processes of one or more attempts; spoil every row'
	@echo 'make fuzz      send N= generated inputs to every reader of foreign data'
	@echo 'make crash     stop each process at each of its calls; make each call fail; spoil the code'
	@echo 'make bench     measure the costs, compared with simpler wrappers, into bench/RESULTS.md (RUNS=)'
	@echo 'make deb       build the Debian package in sid into build/deb, and try it in sid and trixie'
	@echo 'make fresh     make demo and make test on a machine that has only git and make (SUITE=)'
	@echo 'make fixtures  record the transcripts in fixtures/ again'
	@echo 'make pictures  take the pictures in doc/ again, of real jobs, in chromium'
	@echo
	@echo 'ROOT is trixie or sid. The default is trixie with backports, which production runs.'
	@echo 'Without ROOT, make judge uses the gpg of this machine.'

# In Debian the module that makes a venv is a package of its own.
NEEDS = tools/needs $(shell $(PYTHON) -c 'import ensurepip' 2>/dev/null || echo venv)
needs-demo: ; @$(NEEDS) demo
needs-test: ; @$(NEEDS) demo test
needs-places: ; @$(NEEDS) places
needs-pictures: ; @$(NEEDS) pictures

# If the venv is of another machine, or its python3 was removed, it is made again.
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

# One process runs all tests of a file, because they share fixtures.
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

# From the reports of `make e2e`: the table in TAG2UPLOAD.md, of both roots, and the journals in
# fixtures/tag2upload, of one. Then the messages of failing programs, in fixtures/failures.
e2e-record: venv
	$(BIN)/python -m tools.world.table build/e2e
	$(BIN)/python -m tools.world.record build/e2e/$(DEBIAN)
	$(BIN)/python -m tools.world.failures

# Debian's own unit, started by `systemd --user`, with our directory on its PATH. It needs root.
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

# This takes an hour or two, so CI does not run it. tools/world/dgit-tests.md has the results.
dgit-tests: venv
	tools/world/debroot build $(DEBIAN)
	$(BIN)/python -m tools.world.dgit_tests $(TESTS)

# As root and as a user, each on a machine of its own. Only root can make these machines.
SUITE = trixie
fresh:
	tools/world/freshroot check $(SUITE)

# The tests that take too long for each change.
proof: venv
	$(BIN)/pytest tests/proof

# One job that signs, in every place that this machine has. For root it has the most.
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
	$(BIN)/python -um tools.crash --contest
	$(BIN)/python -um tools.crash --contest --fail
	for place in 'an ordinary user' 'gpgshim is PID 1' '0, 1, 2'; do \
	    $(BIN)/python -um tools.crash --face run --place "$$place" || exit; done
	$(BIN)/python -um tools.crash --spoil all

# The pictures in doc/.
pictures: needs-pictures venv
	$(BIN)/python -m tools.pictures

# With hyperfine if it is installed. Debian's interpreter is measured, and also runs the benchmark.
RUNS = 200
bench:
	$(PYTHON) -m bench --runs $(RUNS)

fixtures: venv
	$(BIN)/python -m tools.record
