# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help demo test lint format reliability bench properties docs wheel

help:
	@echo "make demo         install, train five GANs on real digits, print the report's path"
	@echo "make test         install, run the test suite"
	@echo "make lint         ruff check, ruff format --check and mypy"
	@echo "make format       let ruff fix and format"
	@echo "make reliability  the long fault counts, with a table"
	@echo "make bench        speed of a training step against a textbook loop"
	@echo "make docs         the documentation site, in site/"
	@echo "make wheel        a wheel, tried in an empty environment"
	@echo "make properties   what only training shows of each method, with a table (20 minutes)"

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "steadygan needs Python 3.10 or newer; name one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch .venv/installed

demo: .venv/installed
	@$(BIN)/python -m steadygan compare wgan-gp:steps=400 infogan:steps=650 gan dcgan wgan:steps=200 \
		--data mnist --steps 850 --jobs 2 --count 2000 preset=light

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

lint: .venv/installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: .venv/installed
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

reliability: .venv/installed
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m benchmarks.reliability

bench: .venv/installed
	$(BIN)/python -m benchmarks.step

properties: .venv/installed
	$(BIN)/python -m benchmarks.properties

docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheel:
	PYTHON=$(PYTHON) .ci/wheel
