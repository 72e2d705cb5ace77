# make demo   train, evaluate, show and package a pipeline on the demo corpus
# make test   check style and types, run the tests with coverage
# make bench  measure the speed of layer and pipelines on the demo corpus, and draw it
# All create the environment .venv first. Needs: Python 3.10 to 3.13, make.

PYTHON ?= python3
VENV ?= .venv
# What the reference tests need; set it empty to skip them.
TORCH ?= torch==2.13.0
# Settings of the workflow, as in: make demo CORPUS=wnut17
CORPUS ?= demo
CONFIG ?= default

# The matrices of one step are small: a second thread gains little, and waiting for it on
# a busy machine costs a lot.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

BIN := $(VENV)/bin
RUN := $(CORPUS)-$(CONFIG)

.PHONY: demo test bench lint clean

demo: $(VENV)/installed
	$(BIN)/python -m spacy project run all . \
		--vars.corpus $(CORPUS) --vars.config $(CONFIG)
	@$(BIN)/python -m spacy lstm-ner scores metrics/$(RUN)-test.json
	@echo "The pipeline, for spacy.load:  training/$(RUN)/model-calibrated"
	@echo "Predicted and gold entities:   visualizations/$(RUN).html"

test: $(VENV)/installed-for-tests lint
	$(BIN)/python -m pytest --cov --cov-fail-under=95

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

lint: $(VENV)/installed-for-tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:
	rm -rf $(VENV) corpus training metrics visualizations packages project.lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/installed-for-tests: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --editable ".[test,lint]" $(TORCH)
	touch $@
