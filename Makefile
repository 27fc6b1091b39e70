# `make demo` and `make test` need nothing but Python 3.11+ (and Chromium for the browser tests).
# Extra arguments: make demo ARGS="--rounds 2 --folder /some/folder", make test ARGS="-k client".
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
ARGS ?=
# What pytest rewrites of the tests is kept for the next run.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-fast test-slow check bench bench-full chaos docs lock screenshots

demo: $(VENV)/.installed
	$(BIN)/numebot demo $(ARGS)

test: $(VENV)/.installed check
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder --durations 10 $(ARGS)

# What starts no process, server or browser and does not compute for long: less than a minute.
test-fast: $(VENV)/.installed
	$(BIN)/pytest -n 3 --dist loadfile -m "not (process or server or browser or heavy or slow)" $(ARGS)

# What takes minutes each, which `make test` leaves out.
test-slow: $(VENV)/.installed
	$(BIN)/pytest -n 3 -m slow --timeout 900 --durations 10 $(ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Ours beside what others do, on smaller stand-ins of Numerai's files: some minutes.
bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run $(ARGS)
	$(BIN)/python -m benchmarks.lakes --rounds 10 100

# The same on full-size files, which may lie at any depth of the folder DATA; such files make
#   numebot practice serve --scale full --folder DATA
bench-full: $(VENV)/.installed
	$(if $(DATA),,$(error Say where the full-size files are: make bench-full DATA=/some/folder))
	$(BIN)/python -m benchmarks.run --full $(DATA) $(ARGS)
	$(BIN)/python -m benchmarks.lakes --rounds 10 100 1000

# Rounds in which everything breaks; a run that was stopped goes on with --from N:
#   make chaos ARGS="--rounds 1000 --seed 1 --json chaos.json"
chaos: $(VENV)/.installed
	$(BIN)/python -m tests.chaos.run $(ARGS)

$(VENV)/.installed: requirements.lock pyproject.toml setup.cfg
ifdef UV
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
else
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
endif
	@touch $@

# What is written from the code: the commands; tables of scores, alerts and faults.
docs: $(VENV)/.installed
	$(BIN)/python docs/write_commands.py
	$(BIN)/python docs/write_tables.py

# The pictures of the README, from a real demo; needs Chromium and some minutes.
screenshots: $(VENV)/.installed
	$(BIN)/python docs/make_screenshots.py

# Pins every dependency for all platforms and Pythons that pyproject.toml allows; writes no address.
lock:
	$(if $(UV),$(UV),$(BIN)/uv) pip compile --universal --python-version 3.11 --extra dev --no-header \
		--no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock pyproject.toml
