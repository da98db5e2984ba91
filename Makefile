# make demo | test | app: everything sets itself up in .venv first. Needs Python 3.11 to 3.13, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# The tests of tools/, marketplace/ and traces/ that stay in one process: what they reach is counted, with a floor.
UNITS := $(patsubst %,tests/test_%.py,board bounds bus clock database documents growing journal kept keys labels ledger \
  mechanisms otlp recorder reputation rules sandbox scripts share store toolbox tools unreadable waiting withheld \
  wording words yaml_files)

# Where this is set, as in many containers, every process compiles every package anew: seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test app lint lock bench mutants clean

demo: $(READY)
	$(BIN)/headcount compare billing_support --teams solo,supervisor,market --model sim:medium --trials 20

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov=tools --cov=marketplace --cov=traces --cov-report= \
	  --cov-fail-under=78 $(UNITS)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(addprefix --ignore=,$(UNITS))

app: $(READY)
	$(BIN)/headcount app

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	for name in bus trace durability workers gateway models engines compare share market; do $(BIN)/python -m benchmarks.$$name; done

# Which faults would the tests not notice? An hour or so; `make mutants ONLY=tools/rules.py` for one module.
mutants: $(READY)
	$(BIN)/python -m tests.mutants $(ONLY)

# The lock holds no addresses, and not llama-cpp-python, which would compile for minutes: we take the model file alone.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra ray --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --override .lock-overrides.txt --quiet -o requirements.lock

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit("Headcount needs Python 3.11, 3.12 or 3.13, and %s is %d.%d: give another with make PYTHON=python3.12" % ((sys.executable,) + v))'
	$(PYTHON) -m venv .venv
	@if $(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9; then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock && \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .; \
	else \
	  $(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock && \
	  $(BIN)/pip install --quiet --no-deps --editable .; \
	fi
	@touch $(READY)
