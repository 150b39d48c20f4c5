# make run    set up .venv and run the main job
# make test   set up everything and run all that CI runs
# make unit   the fast tests alone
# make native  compile the native engine anew
# make wheel  a wheel for any Linux on this kind of processor
# make bench  measure on this machine: a table, and benchmarks/results.json
# make analyze  slither and halmos on the contracts: minutes
# make fuzz   the long search for counterexamples in the contracts: hours
PYTHON ?= python3
BIN := .venv/bin
NODE_STAMP := contracts/node_modules/.package-lock.json
PYTEST_WORKERS ?= 2

# What an installation compiles the native engine from, with the zig of a Python package where there is no compiler.
NATIVE := setup.py $(wildcard tools/*.py src/idml/learning/native/cpp/*) src/idml/learning/native/build.py
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input -c constraints.txt

.PHONY: run test setup native wheel lint types imports unit pytest bench contracts fuzz analyze artifacts clean
.DELETE_ON_ERROR:

run: .venv/run
	$(BIN)/idml run experiments/main.toml --without-incentive $(ARGS)
	@echo
	@echo 'Next: put idml on the path with `source .venv/bin/activate` (or type .venv/bin/idml), then for instance'
	@echo '  idml run --set adversaries.random_weights=5   another run: `idml run --help` shows all keys, `idml list` all names'
	@echo '  idml reproduce all --scale smoke              the figures and tables of the paper, computed anew'
	@echo '  idml run --set dataset=examples/custom_dataset.py:Stripes   data of your own: docs/questions.md says more'

test: lint types imports artifacts contracts pytest

setup: .venv/dev $(NODE_STAMP)

native: .venv/run

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "iDML needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: $(BIN)/python pyproject.toml constraints.txt $(NATIVE)
	@echo "Setting up .venv: iDML and what it needs: 120 MB to download, 470 MB on disk, one to three minutes, once"
	$(INSTALL) -e '.[fast]'
	@touch $@

.venv/dev: $(BIN)/python pyproject.toml constraints.txt $(NATIVE)
	@echo "Setting up .venv for development, PyTorch and Ray included: about 2.8 GB on disk, some minutes, once"
	$(INSTALL) -e '.[fast,dev]'
	@touch $@ .venv/run

wheel: $(BIN)/python
	IDML_NATIVE_TARGET=$$(uname -m)-linux-gnu.2.17 $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

$(NODE_STAMP): contracts/package-lock.json
	@command -v npm >/dev/null || { echo "the contract tools need Node.js 20 or newer with npm" >&2; exit 1; }
	cd contracts && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

imports: .venv/dev
	$(BIN)/lint-imports

unit: .venv/dev
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m 'not slow'

# Tests that cover the rooms where money is decided, to the last line and branch. Tracing doubles what a test takes, so
# nothing else is traced.
COVERED := tests/protocol tests/ledger tests/economics tests/chain tests/cli/test_chain_cli.py
COVERAGE := --cov=idml.protocol --cov=idml.ledger --cov=idml.economics --cov-report=term-missing:skip-covered --cov-fail-under=100

pytest: .venv/dev $(NODE_STAMP)
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m 'not slow' $(COVERED) $(COVERAGE)
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m 'not slow' $(COVERED:%=--ignore=%)
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m slow --dist worksteal

bench: .venv/dev
	$(BIN)/python benchmarks/bench.py $(ARGS)

artifacts: $(NODE_STAMP)
	cd contracts && npm run --silent check

contracts: $(NODE_STAMP)
	cd contracts && npm run --silent lint && npm test --silent && npm run --silent gas

ANALYSIS := PATH="$(CURDIR)/.venv-analysis/bin:$(CURDIR)/contracts/node_modules/@foundry-rs/forge-linux-amd64/bin:$$PATH"

.venv-analysis/done: contracts/analysis-requirements.txt
	$(PYTHON) -m venv .venv-analysis
	.venv-analysis/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

analyze: .venv-analysis/done $(NODE_STAMP)
	cd contracts && $(ANALYSIS) slither . --config-file slither.config.json
	cd contracts && $(ANALYSIS) FOUNDRY_SRC=halmos FOUNDRY_TEST=halmos FOUNDRY_OUT=cache/halmos \
	  FOUNDRY_CACHE_PATH=cache/halmos-cache halmos --forge-build-out cache/halmos --loop 65 --solver-timeout-assertion 300s

fuzz: $(NODE_STAMP)
	cd contracts && FOUNDRY_PROFILE=fuzz npm run --silent fuzz -- --fuzz-seed $$(date +%s)

clean:
	rm -rf .venv contracts/node_modules contracts/out contracts/cache
