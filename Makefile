# make train   trains the default network on the built-in images and leaves its results in a new folder of runs/
# make test    runs the tests
#
# Each sets up .venv by itself. PYTHON names another interpreter, ARGS is passed on:
#   make test PYTHON=python3.12 ARGS="-k conv"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.PHONY: help train test

help:
	@echo "make train   trains on the built-in images; results in a new folder of runs/"
	@echo "make test    runs the tests"

train: $(VENV)/ready
	$(BIN)/python examples/train_imagenet.py $(ARGS)

# A process for each core, with one thread; the fences of a lesson, which build on each other, stay in one.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/ready
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

$(VENV)/ready: pyproject.toml requirements.txt
	@$(PYTHON) -c "import sys; sys.exit('minialex needs Python 3.11 or newer; name one as in: make test PYTHON=python3.12' if sys.version_info < (3, 11) else 0)"
	@echo "setting up $(VENV) (once; a minute or two)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"
