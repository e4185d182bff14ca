# Every target sets up what it needs: a fresh clone, Python >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help demo test test-slow checks bench lint docs clean

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:[^#]*##/\t/'

# A stamp per extra: made again when pyproject.toml changes.
$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed-%: $(VENV)/pyvenv.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

demo: $(VENV)/.installed          ## install, then the RG flow of the network that ships with the package, into out/
	$(BIN)/nnrg flow -o out

# A process to a core; each takes a run of neighbouring tests, which share what they are made from.
test: $(VENV)/.installed-test     ## the whole default suite
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

test-slow: $(VENV)/.installed-test  ## the long physics tests and the large downloads
	$(BIN)/python -m pytest -m slow

checks: $(VENV)/.installed-test   ## the tests of physics, long ones too; their known answers into the documentation
	$(BIN)/python -m pytest tests/physics -m 'slow or not slow' --checks docs/checks.json

bench: $(VENV)/.installed-bench $(VENV)/.installed-test  ## benchmarks, as ratios measured in one run
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -s

lint: $(VENV)/.installed-test     ## ruff and mypy, as the suite runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs     ## the documentation, warnings are errors
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean:           ## remove everything the targets made
	rm -rf $(VENV) out docs/_build
