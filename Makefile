# phix on a bare machine: `make demo`, `make test`; `make help` lists the rest.
# Needs Python >= 3.11 and a network; uses uv where present, else venv and pip.

VENV ?= .venv
BIN = $(VENV)/bin
CONFIG ?= configs/phi_rom/burgers_demo.toml
# Looked for only when a .venv has to be made, hence the lazy `=`.
PYTHON = $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help demo test lowest check docs clean

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/'

demo: $(VENV)/.demo ## Φ-ROM on Burgers end to end: a table, figures, runs/burgers_demo
	@start=$$(date +%s); $(BIN)/phix run $(CONFIG); code=$$?; \
	echo "run: $$(( $$(date +%s) - start )) s"; exit $$code

test: $(VENV)/.test ## the test-suite (the slow ones too with ARGS='-m ""')
	@$(BIN)/python -m pytest $(ARGS)

lowest: $(VENV)/.lowest ## the roster in single precision on the lowest dependencies allowed
	@PHIX_TEST_X64=0 $(VENV)/lowest/bin/python -m pytest -k "public_objects and float32" \
		tests/test_roster.py tests/test_roster_physics.py

check: $(VENV)/.dev ## ruff, pyright, the floors, the docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs: $(VENV)/.dev ## the documentation, served on http://127.0.0.1:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean: ## remove the environment, caches and built docs (never runs/)
	rm -rf $(VENV) .jax_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis site

$(VENV)/.demo: WHAT = -e '.[plot,data]'
$(VENV)/.test: WHAT = -e '.[plot,data]' --group test
$(VENV)/.dev: WHAT = -e '.[plot,data]' --group dev

# A stamp per kind of installation: nothing to do while pyproject.toml is unchanged.
$(VENV)/.demo $(VENV)/.test $(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) (the first time takes a minute or two)"
	@start=$$(date +%s); \
	if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python $(WHAT); \
	else $(BIN)/python -m pip install --quiet $(WHAT); fi \
	&& touch $@ && echo "install: $$(( $$(date +%s) - start )) s"

# By uv, which alone knows the lowest versions; for a Python that they know.
$(VENV)/.lowest: pyproject.toml | $(BIN)/python
	@start=$$(date +%s); \
	command -v uv >/dev/null && uv=uv || { uv=$(BIN)/uv; $(BIN)/python -m pip install --quiet uv; } \
	&& $$uv venv --quiet --clear --python '>=3.11,<3.13' $(VENV)/lowest \
	&& $$uv pip install --quiet --python $(VENV)/lowest/bin/python \
		--resolution lowest-direct -e '.[plot,data]' --group test \
	&& touch $@ && echo "install: $$(( $$(date +%s) - start )) s"

$(BIN)/python:
	@start=$$(date +%s); \
	if command -v uv >/dev/null; then uv venv --quiet --python '>=3.11' $(VENV); \
	elif [ -z '$(PYTHON)' ]; then \
		echo 'phix needs Python >= 3.11 on PATH (tried python3 and python3.11-3.14), or uv' >&2; \
		exit 1; \
	else \
		$(PYTHON) -m venv $(VENV) \
		&& $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' \
		|| { rm -rf $(VENV); echo '$(PYTHON) cannot make a venv: install python3-venv, or uv' >&2; exit 1; }; \
	fi && echo "venv: $$(( $$(date +%s) - start )) s"
