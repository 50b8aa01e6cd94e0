# The same commands for people, the hooks and CI. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests that take seconds, on two processes.
PARALLEL := --numprocesses 2
# Metaflow stops with "Unknown user" if the environment names no user, or root.
export METAFLOW_USER ?= $(shell id -un | sed 's/^root$$/container-root/')

.PHONY: help install data-tools run quick pictures demo test test-flows test-slow test-long test-fast test-remote test-faults lint format types lock clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## Make .venv from the lock

# The lock is complete and hash-checked, so pip must not resolve anything by itself (--no-deps);
# xgboost's GPU library is left out of it on purpose, see requirements/overrides.txt.
$(VENV)/.installed: requirements/development.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, got " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/development.txt
	@touch $@

# DVC has many dependencies of its own, hence a separate environment.
data-tools: .venv-dvc/.installed ## Make .venv-dvc with DVC from its lock

.venv-dvc/.installed: requirements/data-versioning.txt
	$(PYTHON) -m venv .venv-dvc
	.venv-dvc/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/data-versioning.txt
	@touch $@

.venv-remote/.installed: requirements/remote.txt
	$(PYTHON) -m venv .venv-remote
	.venv-remote/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/remote.txt
	@touch $@

run: install ## The main job: train, compare, explain and register on the real data
	$(BIN)/python flows/train.py run

quick: install ## A smoke run of every step in under two minutes
	$(BIN)/python flows/train.py --config config config/quick.toml run

pictures: install ## Take README's pictures from the latest run's cards (needs Chromium)
	$(BIN)/python docs/make_pictures.py

demo: install ## Record the demo video into dist/ (needs ffmpeg and Chromium)
	$(BIN)/python -m demo

test: install ## Lint, types and all tests but the long ones, up to 25 minutes
	$(MAKE) lint types
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"
	$(MAKE) --jobs 2 test-flows test-slow

test-flows: install ## The tests that share a run of the training flow
	$(BIN)/python -m pytest -m "slow and not long and shares_run"

test-slow: install ## The other tests that take minutes
	$(BIN)/python -m pytest -m "slow and not long and not shares_run"

test-long: install ## Servers killed at random, and the demo video's commands, ten minutes
	$(BIN)/python -m pytest -m long

test-fast: install ## The tests that take seconds
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-remote: install .venv-remote/.installed ## Flows on stand-ins for S3 and Kubernetes, ten to twenty minutes
	$(BIN)/python -m pytest -m remote tests/remote

test-faults: install ## Every fault at every step, and the table in docs/reliability.md, half an hour to an hour
	rm -f dist/faults.json
	-$(BIN)/python -m pytest -m faults tests/faults
	$(BIN)/python tests/faults/table.py

lint: install ## Ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install ## Let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install ## Mypy
	$(BIN)/mypy

lock: ## Update the lock (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--override requirements/overrides.txt --no-emit-index-url --no-header \
		--quiet --output-file requirements/runtime.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--override requirements/overrides.txt --no-emit-index-url --no-header \
		--group dev --constraint requirements/runtime.txt \
		--quiet --output-file requirements/development.txt
	uv pip compile --group pyproject.toml:data-versioning --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header \
		--quiet --output-file requirements/data-versioning.txt
	uv pip compile --group pyproject.toml:remote --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header \
		--quiet --output-file requirements/remote.txt

clean: ## Delete ALL runs, the registry with the champion, bundles and dist/ (old runs only: flows/cleanup.py)
	rm -rf .metaflow mlruns bundles signals dist .pytest_cache .mypy_cache .ruff_cache
