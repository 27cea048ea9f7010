# Needs make and Python 3.12; everything else is installed into .venv (the project) and .poetry (Poetry itself).
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin
POETRY := .poetry/bin/poetry
POETRY_VERSION := 2.5.1
CODE := app benchmarks docs examples generator_service kernel standalone tests
LOCKS := pyproject.toml poetry.lock kernel/pyproject.toml generator_service/pyproject.toml generator_service/poetry.lock

# An activated environment of the caller's must not receive our packages.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME
export POETRY_VIRTUALENVS_IN_PROJECT := 1
export POETRY_KEYRING_ENABLED := 0
export POETRY_NO_INTERACTION := 1

# Poetry asks PyPI's own JSON interface, which mirrors lack. It gets the index that pip would use.
WITH_INDEX = POETRY_PYPI_MIRROR_URL="$$(.poetry/bin/python .ci/pip-index)"

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/.ready-run ## Start Presswork on this machine; ARGS="--api-port 9000" passes options
	@exec $(BIN)/presswork up $(ARGS)

.PHONY: install
install: .venv/.ready-dev ## Install everything, with the development tools

# All tests run in several processes, each file in one, in the order of the folders: the longest files come first. Tests
# that ARGS chooses do not wait for processes to start, and a Redis of yours (CONTRIBUTING.md) is emptied before each test.
IN_PROCESSES = $(if $(ARGS)$(PRESSWORK_TEST_REDIS_URL),,-n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 20)

.PHONY: test
test: .venv/.ready-dev ## Run every test but the slow ones; ARGS="-k words" passes options to pytest, in one process
	@$(BIN)/python -m pytest -m "not slow" $(IN_PROCESSES) $(ARGS)

.PHONY: lint
lint: .venv/.ready-dev ## Check style, types, architecture and lock files
	$(BIN)/flake8 $(CODE)
	$(BIN)/black --check --quiet $(CODE)
	$(BIN)/isort --check --quiet $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(POETRY) check --lock
	$(POETRY) -C generator_service check --lock
	$(POETRY) -C kernel check

.PHONY: fmt
fmt: .venv/.ready-dev ## Format the code
	@$(BIN)/isort --quiet $(CODE)
	@$(BIN)/black --quiet $(CODE)

.PHONY: docs
docs: .venv/.ready-dev ## Make the tables of docs/ from the code
	@$(BIN)/python -m docs.generate

.PHONY: examples
examples: .venv/.ready-run ## Make the documents of examples/ on a running Presswork; ARGS="--help" lists the options
	@$(BIN)/python -m examples $(ARGS)

.PHONY: screenshots
screenshots: .venv/.ready-dev ## Take the pictures of docs/images again; needs Chromium
	@$(BIN)/python -m docs.screenshots

.PHONY: gallery
gallery: .venv/.ready-dev ## Take the pictures of docs/gallery.md again; needs LibreOffice
	@$(BIN)/python -m docs.gallery

.PHONY: chaos
chaos: .venv/.ready-dev ## Kill, freeze and fill everything for 60 s, then check every promise; ARGS passes options
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: fuzz
fuzz: .venv/.ready-dev ## Throw mutated templates and data at the render processes; ARGS="--minutes 3" says how long
	@$(BIN)/python -m tests.hostile $(ARGS)

.PHONY: bench
bench: .venv/.ready-dev ## Run the benchmarks; ARGS passes options
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: try-compose
try-compose: .venv/.ready-dev ## Start the containers and try them for real, for minutes; ARGS passes options
	@$(BIN)/python -m tests.containers $(ARGS)

.PHONY: clean
clean: ## Remove what make has installed, and caches; data under var/ stays
	rm -rf .venv .poetry .mypy_cache .pytest_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp per set of packages, so that the second `make run` goes straight to the program.
.venv/.ready-run: $(LOCKS) | .venv/bin/python .poetry/.ready-$(POETRY_VERSION)
	@echo "Installing Presswork (once)"
	@$(WITH_INDEX) $(POETRY) install --quiet --without dev
	@touch $@

.venv/.ready-dev: $(LOCKS) | .venv/bin/python .poetry/.ready-$(POETRY_VERSION)
	@echo "Installing Presswork and its development tools (once)"
	@$(WITH_INDEX) $(POETRY) install --quiet
	@touch $@ .venv/.ready-run

.venv/bin/python:
	@python="$${PYTHON:-$$(sh .ci/find-python)}" && "$$python" -m venv --clear .venv

.poetry/.ready-$(POETRY_VERSION):
	@echo "Installing Poetry into .poetry (once)"
	@python="$${PYTHON:-$$(sh .ci/find-python)}" && "$$python" -m venv --clear .poetry
	@.poetry/bin/python -m pip install -qq --disable-pip-version-check \
		poetry==$(POETRY_VERSION) poetry-plugin-pypi-mirror==0.6.5
	@touch $@
