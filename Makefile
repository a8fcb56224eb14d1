# All that one does with avsync, for people and for CI alike. Needs Python 3.11 or newer with pip and venv, and make.
#
#   make demo            the main job against the sandbox; KEEP=1 leaves it running, with problems open to play with;
#                        LIKE=FILE plays a recorded installation (also: small, elsewhere, contract)
#   make test            the test suite; ARGS='-k hours' picks from it
#   make test-fast       the rooms whose tests need no office: pure, services, state
#   make check           format, lint, types, tests
#   make bench           what avsync costs, against a floor; BENCH=--small takes a minute, BENCH=--large an hour
#   make trip            the way of one record through the code; TRIP=--show prints it call by call
#   make kills N=1000    so many random kills, and whether both worlds still come in step
#   make crash           a third of the crash matrix; CRASH=1 does all of it
#   make long            the tests that take long, and how long each took; RUNS=5000 makes the year in the life a tenth,
#                        ARGS='-k year-17' plays one of its weeks
#   make cassettes       record the clients' cassettes anew, against the sandbox
#   make clean           remove everything that was made here

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
N ?= 200
CRASH ?= 3
RUNS ?= 50000

.PHONY: install demo test test-fast check format lint bench trip kills crash long cassettes clean

install: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "avsync needs Python 3.11 or newer; make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(PY) -m avsync.sandbox.demo $(if $(KEEP),--keep) $(if $(LIKE),--like $(LIKE))

test: $(READY)
	$(PY) -m pytest -n auto $(ARGS)

test-fast: $(READY)
	$(PY) -m pytest -n auto tests/pure tests/services tests/state $(ARGS)

check: lint test

format: $(READY)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lint: $(READY)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

bench: $(READY)
	$(PY) -m tests.bench $(BENCH)

trip: $(READY)
	@$(PY) -m tests.bench.trip $(TRIP)

kills: $(READY)
	$(PY) -m tests.crash.kills $(N)

crash: $(READY)
	$(PY) -m tests.crash.test_crash_matrix $(CRASH)

long: $(READY)
	RUNS=$(RUNS) $(PY) -m pytest --durations=20 -n auto -m long $(ARGS)

cassettes: $(READY)
	$(PY) -m tests.services.record

clean:
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
