# Every target sets up what it needs. Prerequisites: git, make, Python 3.11+ with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := . plugins/auth_local plugins/storage_local plugins/git_local plugins/runner_local \
	plugins/engine_temporal hosts/fastapi_host clients/cli
HOST_MEMBERS := . plugins/auth_local plugins/storage_local plugins/git_local plugins/runner_local \
	hosts/fastapi_host clients/cli
PIP := $(BIN)/python -m pip --disable-pip-version-check
BENCH ?= start
# The distribution's name: the first of that key, since tool tables have it too.
dist = $(shell sed -n '/^name = /{s/^name = "\(.*\)"/\1/p;q}' $(1)/pyproject.toml)

.PHONY: demo test test-services bench lint mutants requirements clean

demo: $(VENV)/.host
	$(BIN)/computor demo $(if $(ONCE),--once)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -p no:cacheprovider --cov --cov-report=term:skip-covered \
		$(or $(ARGS),--cov-fail-under=90)

test-services: $(VENV)/.dev
	$(PYTHON) -m tools.services install
	COMPUTOR_REQUIRE_SERVICES=1 $(PYTHON) -m tools.services run -- \
		$(BIN)/python -m pytest -p no:cacheprovider -m "postgres or redis or temporal" $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.$(BENCH)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: $(VENV)/.dev
	$(BIN)/python -m tools.mutants

# Pins; needs uv. Never a uv.lock: it names the index.
requirements:
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
		$(foreach m,$(MEMBERS),--no-emit-package $(call dist,$(m))) \
		$(MEMBERS:%=%/pyproject.toml) requirements/dev.in --extra postgres --extra testing \
		-o requirements/dev.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
		$(foreach m,$(MEMBERS),--no-emit-package $(call dist,$(m))) \
		$(HOST_MEMBERS:%=%/pyproject.toml) requirements/build.in -c requirements/dev.txt \
		-o requirements/host.txt

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.host: $(VENV)/.made requirements/host.txt $(HOST_MEMBERS:%=%/pyproject.toml)
	$(PIP) install -q --require-hashes -r requirements/host.txt
	$(PIP) install -q --no-index --no-deps --no-build-isolation $(HOST_MEMBERS:%=-e %)
	touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.txt $(MEMBERS:%=%/pyproject.toml)
	$(PIP) install -q --require-hashes -r requirements/dev.txt
	$(PIP) install -q --no-index --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	$(PIP) check
	touch $@ $(VENV)/.host

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache mutants demo-data
