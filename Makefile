# Every target works as the first command on a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo hardware docs test browser lint format types types-package types-tests \
	staircase check clean $(if $(filter .venv,$(VENV)),,.venv)

help:
	@echo "make demo    everything once, from frames to a report (about 6 minutes on 2 cores)"
	@echo "make hardware  BoltNet as Verilog, simulated, synthesised, placed and routed (hours)"
	@echo "make test    the test suite"
	@echo "make browser the live page in Chromium (apt install chromium chromium-driver)"
	@echo "make check   lint, format, types, staircase and tests: what CI runs"
	@echo "make docs    the site, into build/site"
	@echo "make .venv   only the environment, with the boltmod command in .venv/bin"

# torch comes first and alone: asked for by another package it may bring gigabytes of CUDA.
# Where the package index has no CPU build, TORCH_INDEX="--index-url <url>" names one that has.
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint constraints.txt $(TORCH_INDEX) torch
	@$(PIP) --constraint constraints.txt --editable '.[train,search,live,mqtt,serve,parquet,test]'
	@touch $@

.venv: $(VENV)/.installed

# Named as gqrx names its recordings: of 100 MHz, 500,000 samples a second.
BAND = demo/gqrx_20260101_120000_100000000_500000_fc.raw

demo: $(VENV)/.installed
	$(BIN)/boltmod run demo --out runs/demo
	$(BIN)/boltmod data to-sigmf twin runs/demo/recording.sigmf-meta --snr 20 --seed 77 --rate 1MHz \
		--force
	$(BIN)/boltmod classify runs/demo/recording.sigmf-meta --model runs/demo/model.onnx \
		--output runs/demo/classified.sigmf-meta --force
	@echo
	@echo "Beside it BoltNet, trained at length by recipes/boltnet.toml, which comes with boltmod:"
	$(BIN)/boltmod cost runs/demo/model.onnx boltnet
	$(BIN)/boltmod evaluate boltnet --frames-per-cell 16
	@echo
	@echo "A recording of one frame of each of the 24 classes, as BoltNet labels it, and the truth:"
	$(BIN)/boltmod classify runs/demo/recording.sigmf-meta --model boltnet --truth
	@echo
	@echo "Two seconds of a band with four signals, as a receiver records it, by the network for recordings:"
	@$(BIN)/python -c 'from boltmod.serve.demonstration import demonstration; \
		demonstration().samples[: 1 << 20].tofile("runs/$(BAND)")'
	$(BIN)/boltmod classify runs/$(BAND) --picture runs/demo/band.png --force
	@echo "Report: $(CURDIR)/runs/demo/report.html"

hardware: $(VENV)/.installed
	@$(PIP) --constraint constraints.txt --editable '.[hardware]'
	$(BIN)/python bench/hardware.py boltnet:8:ecp5-85k --place --out runs/hardware

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist worksteal

browser: $(VENV)/.installed
	$(BIN)/python -m pytest -m browser

lint: $(VENV)/.installed
	$(BIN)/ruff check .

format: $(VENV)/.installed
	$(BIN)/ruff format --check .

types: types-package types-tests

types-package: $(VENV)/.installed
	$(BIN)/mypy

types-tests: $(VENV)/.installed
	$(BIN)/mypy --config-file tests/mypy.ini

staircase: $(VENV)/.installed
	$(BIN)/lint-imports

docs: $(VENV)/.installed
	@$(PIP) --editable '.[docs]'
	$(BIN)/mkdocs build --strict --site-dir build/site

check: lint format types staircase test

clean:
	rm -rf runs build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
