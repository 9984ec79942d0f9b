# make app: the explorer.  make test: all tests.  make quick: the quick ones.  Each makes .venv first, once.

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8501
# On Linux without an NVIDIA GPU, torch is installed without CUDA from PyTorch's index of CPU wheels, or from the index that
# TORCH_INDEX names, if that can be reached. TORCH=cuda keeps CUDA.
export TORCH ?=
export TORCH_INDEX ?=

.PHONY: app test quick lint data precomputed notebook benchmarks clean
.NOTPARALLEL:

app: .venv/app
	$(BIN)/python -m influence app --port $(PORT)

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

quick: .venv/dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not browser"

data: .venv/app
	$(BIN)/python -m influence data

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

precomputed: .venv/app
	$(BIN)/python -m influence tracin california-housing --out precomputed/california-housing/tracin --replace
	$(BIN)/python -m influence tracin digits --out precomputed/digits/tracin --replace
	$(BIN)/python -m influence tracin cifar10 --checkpoint-every 2 --reverse-k 5 --out precomputed/cifar10/tracin --replace
	$(BIN)/python -m influence datamodels run digits --models 5000 --out precomputed/digits/datamodels --replace
	$(BIN)/python -m influence datamodels run digits --models 5000 --estimator lasso --out precomputed/digits/datamodels-lasso --replace
	$(BIN)/python -m influence datamodels fit precomputed/cifar10/outcomes --models 1100 --held-out 128 --prior-models 8 \
		--no-ceiling --reverse-k 10 --out precomputed/cifar10/datamodels --replace
	$(BIN)/python -m influence evaluate layout precomputed/digits/datamodels
	$(BIN)/python -m influence evaluate layout precomputed/cifar10/datamodels
	$(BIN)/python -m influence evaluate near-copies precomputed/digits/datamodels
	$(BIN)/python -m influence evaluate near-copies precomputed/cifar10/datamodels

# The walkthrough again, with its outputs: after a change of what it shows.
notebook: .venv/dev
	$(BIN)/python -m notebooks.execute

benchmarks: .venv/dev
	$(BIN)/python -m benchmarks.tracin

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/torch: requirements.txt | .venv/bin/python
	$(BIN)/python tools/install_torch.py
	@touch $@

.venv/app: requirements.txt .venv/torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements.txt requirements-dev.txt .venv/torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch .venv/app $@
