# make demo         train, evaluate, show and package a pipeline on the demo corpus
# make test         check style and types, run the tests
# make coverage     run the tests and measure which lines they reach
# make test-lowest  run the tests with the oldest versions that pyproject.toml allows
#                   (Python 3.10 to 3.12, for which NumPy 2.0 has wheels)
# make bench        measure the speed of layer and pipelines on the demo corpus, and draw it
# make word-table   make the word table of the package again, from GloVe's vectors
# make lint         check style and types
# make clean        remove environments and everything that the above have made
# All create their environment first. Needs: Python 3.10 to 3.14, make.

PYTHON ?= python3
VENV ?= .venv
# The reference tests compare with torch; an empty value skips them.
TORCH ?= torch==2.13.0
# Settings of the workflow, for example: make demo CORPUS=wnut17
CORPUS ?= demo
CONFIG ?= default
# Processes of the tests: a number, or one per core.
JOBS ?= auto

# The matrices of one step are small: a second thread gains little, and waiting for it on
# a busy machine costs a lot.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

BIN := $(VENV)/bin
RUN := $(CORPUS)-$(CONFIG)
PYTEST := python -m pytest -n $(JOBS) --dist worksteal

.PHONY: demo test pytest coverage test-lowest bench word-table lint clean

demo: $(VENV)/installed
	$(BIN)/python -m spacy project run all . \
		--vars.corpus $(CORPUS) --vars.config $(CONFIG)
	@$(BIN)/python -m spacy lstm-ner scores metrics/$(RUN)-test.json
	@echo "The pipeline, for spacy.load:  training/$(RUN)/model-calibrated"
	@echo "What it gets wrong:            visualizations/$(RUN).html"

# Side by side: the types take one process half a minute, and tests wait at times.
test: $(VENV)/installed-for-tests
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: $(VENV)/installed-for-tests
	$(BIN)/$(PYTEST)

coverage: $(VENV)/installed-for-tests
	$(BIN)/$(PYTEST) --cov --cov-fail-under=95

# The lower bounds of the dependencies, for example numpy==2.0.
LOWEST = $(shell sed -n '/^dependencies/p' pyproject.toml | grep -oE '[a-z]+>=[0-9.]+' | sed 's/>=/==/')

test-lowest: .venv-lowest/installed
	.venv-lowest/bin/$(PYTEST)

.venv-lowest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --editable ".[test]" $(LOWEST) $(TORCH)
	touch $@

# A CoNLL file, and where the tables go.
BENCH ?= assets/demo/train.conll
TABLES ?= metrics/benchmarks

bench: $(VENV)/installed-for-tests $(BENCH)
	$(BIN)/python benchmarks/layer.py --thinc --json $(TABLES)/layer.json
	$(BIN)/python benchmarks/speed.py $(BENCH) --json $(TABLES)/speed.json
	$(BIN)/python benchmarks/padding.py $(BENCH) --json $(TABLES)/padding.json
	$(BIN)/python benchmarks/scaling.py $(BENCH) --json $(TABLES)/scaling.json
	$(BIN)/python benchmarks/draw.py $(TABLES) $(TABLES)/speed.svg

assets/demo/train.conll: $(VENV)/installed
	$(BIN)/python -m spacy lstm-ner demo-corpus assets/demo

WORDS ?= 200000
PARTS ?= 10
WORD_TABLE ?= spacy_lstm_ner/layers/words/tables/en.npz

word-table: $(VENV)/installed-for-tests
	$(BIN)/python -m spacy lstm-ner vectors assets/glove
	$(BIN)/python -m spacy lstm-ner quantize assets/glove $(WORD_TABLE) \
		--words $(WORDS) --parts $(PARTS)

lint: $(VENV)/installed-for-tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:
	rm -rf $(VENV) .venv-lowest corpus training metrics visualizations packages project.lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/installed-for-tests: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --editable ".[test,lint]" $(TORCH)
	touch $@
