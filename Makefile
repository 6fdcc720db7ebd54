# Every target works from a clean clone with Python 3.11+, make and the package registry.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PEERS  := $(VENV)/.peers

.PHONY: help setup peers demo demo-kafka test check docs bench soak format clean
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment and install everything into it
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[postgres]' --group dev
	$(BIN)/python -m compileall -q src # as an installed wheel is; else each start may do it again
	@touch $@

peers: $(PEERS) ## install what `make bench` measures beside us
$(PEERS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group bench
	@touch $@

demo: $(STAMP) ## 10,000 recipients through a provider, paused, killed, resumed, retried
	$(BIN)/batchwire demo

demo-kafka: $(STAMP) ## the specification's scenario on a real Kafka broker (needs Java and Maven)
	$(BIN)/python examples/kafka/demo.py

test: $(STAMP) ## every test
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

check: $(STAMP) ## ruff, mypy strict, the import contract, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs_build --check

docs: $(STAMP) ## make the generated pages of docs/ and the figures of README again
	$(BIN)/python -m docs_build

bench: $(PEERS) ## our figures beside the floor (ONLY=a,b  SCALE=0.1  RUNS=5)
	$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY)) --scale $(or $(SCALE),1) --runs $(or $(RUNS),5)

soak: $(STAMP) ## kill engines and a PostgreSQL of its own at random, then a verdict (MINUTES=10  SEED=n)
	$(BIN)/python -m soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

format: $(STAMP) ## let ruff format and mend
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

clean: ## remove what the targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
