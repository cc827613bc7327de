# One list of targets for people and CI. `make demo` and `make test` are all a fresh machine needs.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
STAMP := .venv/.mvkit
# One thread a worker: two OpenMP threads that share a core slow each other down tenfold.
ONE := OMP_NUM_THREADS=1

.PHONY: demo test test-fast check format notebooks bench bench-ui clean

demo: $(STAMP)-run
	$(BIN)/mvkit demo

test: check
	$(ONE) $(BIN)/pytest -n $(JOBS) -m "not notebook and not browser"
	$(BIN)/pytest -m "notebook or browser"

test-fast: $(STAMP)-dev
	$(ONE) $(BIN)/pytest -n $(JOBS) -m "not slow and not notebook and not browser"

notebooks: $(STAMP)-dev
	$(BIN)/pytest -m notebook

check: $(STAMP)-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(STAMP)-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)-dev
	$(BIN)/mvkit bench masks --out reports/benchmarks/masks.json

bench-ui: $(STAMP)-dev
	$(BIN)/mvkit bench ui --out reports/benchmarks/ui.json

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache

# Installed once, and again only when what is to be installed changes.
$(STAMP)-venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mvkit needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	touch $@

$(STAMP)-run: $(STAMP)-venv pyproject.toml constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(STAMP)-dev: $(STAMP)-run
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev,fast]"
	touch $@
