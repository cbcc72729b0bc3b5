.DEFAULT_GOAL := help
.PHONY: help install reproduce test chaos check lint types stale tables figures clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# CONSTRAINTS= installs the newest versions that pyproject.toml allows instead of the pinned ones
CONSTRAINTS ?= -c constraints.txt

help:  ## print this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

install: $(READY)  ## create .venv with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "repro needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS) -e '.[embedded,test,check]'
	@touch $(READY)

reproduce: $(READY)  ## run every experiment in the quick profile, then its tables and figures
	$(BIN)/repro run --profile quick; surprises=$$?; \
	  test $$surprises -eq 0 -o $$surprises -eq 3 && $(BIN)/repro tables --profile quick && $(BIN)/repro figures --profile quick && \
	  $(BIN)/repro report --profile quick && \
	  echo "records, tables, figures and a page that shows them are in results/quick" && exit $$surprises

test: $(READY)  ## run the proofs (a quarter of an hour on two quiet cores)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

chaos: $(READY)  ## kill it at 100 moments, feed it 200 damaged inputs: nothing is lost (a quarter of an hour; SEED=7)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

check: lint types stale  ## lint, format, types, and whether tables are stale; with -j2 beside each other

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python

stale: $(READY)
	$(BIN)/repro tables --check

tables: $(READY)  ## rebuild the committed tables from the committed records
	$(BIN)/repro tables

figures: $(READY)  ## redraw the committed figures from the committed records
	$(BIN)/repro figures

clean:  ## forget the quick profile's results, so that `make reproduce` runs everything again
	rm -rf results/quick
