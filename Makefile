# make run    set up .venv and run the main job
# make test   set up everything and run all that CI runs
# make unit   the fast tests alone
# make bench  measure on this machine: a table, and benchmarks/results.json
# make analyze  slither and halmos on the contracts: minutes
# make fuzz   the long search for counterexamples in the contracts: hours
PYTHON ?= python3
BIN := .venv/bin
NODE_STAMP := contracts/node_modules/.package-lock.json
PYTEST_WORKERS ?= 2

.PHONY: run test setup lint types imports unit pytest bench contracts fuzz analyze artifacts clean
.DELETE_ON_ERROR:

run: .venv/run
	$(BIN)/idml run experiments/main.toml $(ARGS)

test: lint types imports artifacts contracts pytest

setup: .venv/dev $(NODE_STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "iDML needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fast]'
	@touch $@

.venv/dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fast,dev]'
	@touch $@ .venv/run

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

pytest: .venv/dev $(NODE_STAMP)
	$(BIN)/pytest -n $(PYTEST_WORKERS) --cov --cov-report=term:skip-covered
	$(BIN)/coverage report --include='src/idml/protocol/*,src/idml/ledger/*' --fail-under=100 --format=total >/dev/null || \
	  { echo "protocol and ledger must be covered to the last branch" >&2; exit 1; }

bench: .venv/run
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
