# Everything a checkout can do. Needs Python 3.11 to 3.13 with pip and venv, make and git; the rest it gets itself.
# Only what a program says goes to stdout; the installation and make itself speak on stderr.

SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
# Arguments for the program behind a target: make demo ARGS=--json, make test ARGS="tests/connect -x"
ARGS ?=
# So many tests at a time, a file's tests together: most of them wait for a server.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? 4 : n > 8 ? 8 : n)))
# Which benchmark: make bench NAME=load
NAME ?= load
# Another interpreter: make test PYTHON=python3.12
PYTHON ?=

.PHONY: help demo ui test check lint bench down docs constraints clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, then play the whole product on two emulated vendors   (ARGS=--json: one JSON object)"
	@echo "make ui      the same world in the web UI, on this machine only"
	@echo "make down    stop what demo and ui left running"
	@echo "make test    all tests                                                     (ARGS: for pytest)"
	@echo "make check   lint, then all tests with coverage"
	@echo "make lint    ruff, mypy, the import floors, mappings' cases, schemas, docs"
	@echo "make bench   a benchmark: NAME=load ARGS=--json                            (see benchmarks/README.md)"
	@echo "make docs    write the generated pages of docs/ anew"
	@echo "make clean   remove $(VENV) and every cache; data in .prm_sync stays"

demo: $(VENV)/.base
	@$(PY) -m prm_sync.cli demo $(ARGS)

ui: $(VENV)/.base
	@$(PY) -m prm_sync.cli demo --ui $(ARGS)

down: $(VENV)/.base
	@demo="$${PRM_SYNC_HOME:-.prm_sync}/demo"; \
		if [ -f "$$demo/prm_sync.yaml" ]; then env -u PRM_SYNC_HOME PRM_SYNC_PROJECT="$$demo" $(PY) -m prm_sync.cli down $(ARGS); fi
	@if [ -f prm_sync.yaml ]; then $(PY) -m prm_sync.cli down $(ARGS); fi

# ARGS="-n 0 tests/connect -x" runs some in one process. The long files come first (tests/conftest.py).
test: $(VENV)/.dev
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m prm_sync.cli mappings test
	@$(PY) -m prm_sync.cli schemas write --check
	@$(PY) scripts/generate_docs.py --check

bench: $(VENV)/.dev
	@$(PY) benchmarks/$(NAME).py $(ARGS)

docs: $(VENV)/.base
	@$(PY) scripts/generate_docs.py

# The versions in constraints.txt, resolved anew. No index, no path and no host gets into the file.
constraints: $(VENV)/.dev
	@head -2 constraints.txt > $(VENV)/constraints.new
	@$(VENV)/bin/pip-compile --quiet --upgrade --extra dev --strip-extras --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --output-file - pyproject.toml 2>/dev/null \
		| grep -E '^[A-Za-z0-9._-]+==' >> $(VENV)/constraints.new
	@mv $(VENV)/constraints.new constraints.txt

clean:
	@rm -rf $(VENV) build dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# --- the environment: made once, renewed where pyproject.toml or constraints.txt changed ------------------------------

define FIND_PYTHON
for p in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && break; p=; done; \
[ -n "$$p" ] || { echo "prm-sync needs Python 3.11, 3.12 or 3.13; none was found (PYTHON=<path> names one)" >&2; exit 1; }
endef

$(VENV)/bin/pip:
	@$(FIND_PYTHON); echo "making $(VENV) with $$p" >&2; "$$p" -m venv --clear $(VENV) >&2 \
		|| { echo "no venv could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "installing prm-sync (a minute or two the first time)" >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . >&2
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "installing prm-sync and what its tests need (a minute or two the first time)" >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]" >&2
	@touch $@ $(VENV)/.base
