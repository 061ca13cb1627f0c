# One entry for everything: `make help` lists it. Needs git, make and Python >= 3.11; the rest is fetched into
# .venv, .cache and typings, checked against the lock files, and nowhere else.

# The first Python that is new enough; `make PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

# Percent of branches of firmware/lib/hxtp below which `make test` fails; tests/unit alone has to reach them.
COVERAGE_MIN ?= 100
# Processes that run the tests, one more than the cores of a small machine since many tests wait; 0: one, in order.
JOBS ?= 3
# What pytest is given besides, e.g. `make test ARGS="-k frame -x"`.
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install -qq --disable-pip-version-check --require-hashes
PYTEST := $(RUN) -m pytest -q
PARALLEL = $(if $(filter 0,$(JOBS)),,-n $(JOBS) --dist loadfile --no-loadscope-reorder)
COVERAGE = --cov --cov-report=term --cov-fail-under=$(COVERAGE_MIN)
HOST_CODE := host_sim tests tools firmware

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo test firmware runtimes packages lint format typecheck coverage fuzz soak spec sizes bench lock clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

setup: $(VENV)/.ready ## make .venv with everything that the tests need
	@:

demo: $(VENV)/.ready-demo ## play the demonstration; KEEP=1 stays up and says how to send commands
	@$(RUN) -m host_sim demo $(if $(filter-out 0,$(KEEP)),--keep)

test: setup packages lint typecheck ## run everything: lint, types, all tests, coverage
	@$(RUN) -m host_sim runtimes --optional
	@$(PYTEST) $(PARALLEL) $(COVERAGE) $(ARGS)

runtimes: setup ## fetch real MicroPython (Debian's unix port, npm's WebAssembly port)
	@$(RUN) -m host_sim runtimes

packages: ## install Mosquitto, PostgreSQL, Redis, LIRC, SPIN, a C compiler and two libraries with apt (as root; else say what is missing)
	@$(or $(PYTHON),python3) tools/system_packages.py mosquitto mosquitto_pub=mosquitto-clients mosquitto_sub=mosquitto-clients irsimsend=lirc irsimreceive=lirc \
		spin redis-server '/usr/lib/postgresql/*/bin/initdb=postgresql' gcc /usr/include/stdio.h=libc6-dev /usr/include/openssl/hmac.h=libssl-dev /usr/include/jansson.h=libjansson-dev

lint: setup ## check style, formatting and what MicroPython lacks
	@$(RUN) -m ruff check -q $(HOST_CODE)
	@$(RUN) -m ruff format -q --check $(HOST_CODE) || \
		{ echo "These files want 'make format':"; $(RUN) -m ruff format --check $(HOST_CODE); exit 1; }
	@$(RUN) tools/micropython_rules.py

format: setup ## put the code into shape
	@$(RUN) -m ruff check -q --fix $(HOST_CODE) || true
	@$(RUN) -m ruff format $(HOST_CODE)

typecheck: setup typings/.ready ## check the firmware's types against the ESP32's stubs
	@$(RUN) -m tools.typecheck

coverage: setup ## branch coverage of the protocol as pages in build/coverage
	@$(PYTEST) $(COVERAGE) --cov-report=html:build/coverage tests/unit $(ARGS)

soak: setup packages ## ten thousand commands through outages on MicroPython over Mosquitto; six minutes
	@$(RUN) -m host_sim runtimes
	@$(PYTEST) -s tests/soak $(ARGS)

fuzz: setup ## the Hypothesis tests alone, with many more examples
	@HYPOTHESIS_PROFILE=long $(PYTEST) $(PARALLEL) -m hypothesis $(ARGS)

firmware: setup ## make build/firmware, to be copied onto a board
	@$(RUN) tools/bytecode.py

spec: setup ## check the specification: its ids and models; write which test names which clause
	@$(RUN) -m tools.spec
	@$(RUN) -m tools.spec_models

.PHONY: fuzzbytes
fuzzbytes: setup ## look for bytes that break the broker, led by coverage; SECONDS=60
	@$(RUN) -m tests.broker.fuzz --seconds $(or $(SECONDS),60)

.PHONY: fuzzapi
fuzzapi: setup ## search the cloud's API for answers that its description lacks; EXAMPLES=200
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(PYTEST) -s tests/cloud/test_fuzz.py

sizes: setup ## bytes of bytecode per firmware module
	@$(RUN) tools/mpy_sizes.py

bench: setup packages .cache/bench/.ready ## measure what things cost, beside their floors and peers; ROWS="verify_fast …" only these
	@$(RUN) -m host_sim runtimes --optional
	@$(RUN) -m host_sim.bench $(ROWS)

# The locks hold for every Python from 3.11 on and every system: --universal writes down what only some need.
lock: ## renew the lock files from requirements*.in
	@$(PYTHON) -m venv .cache/lock && .cache/lock/bin/python -m pip install -qq uv
	@for name in requirements-demo requirements-fast requirements requirements-stubs requirements-bench; do \
		.cache/lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-markers \
			--custom-compile-command "make lock" -o $$name.lock $$name.in || exit 1; done

clean: ## remove what the tests and builds left behind
	@rm -rf build .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis
	@find $(HOST_CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove everything that was fetched too
	@rm -rf $(VENV) .cache typings

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Needs Python 3.11 or newer, and finds: $$(python3 --version 2>&1 || true)"; \
		echo "If there is one elsewhere: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and this needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no ensurepip, and so can make no environment. On Debian and Ubuntu, as root:"; \
		echo "  apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Uncompiled: Python compiles what is imported, once, and most of it never is; so the first start comes sooner.
$(VENV)/.ready-demo: requirements-demo.lock $(VENV)/.made
	@echo "Installing what the programs need"
	@$(INSTALL) --no-compile -r requirements-demo.lock
	@touch $@

$(VENV)/.ready: requirements.lock $(VENV)/.ready-demo
	@echo "Installing what the tests need"
	@$(INSTALL) -r requirements.lock
	@touch $@

# What others have to compare with; where it cannot be had the benchmarks say so.
.cache/bench/.ready: requirements-bench.lock $(VENV)/.made
	@echo "Fetching other brokers to compare with"
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(INSTALL) --target $(@D) -r requirements-bench.lock && touch $@ || echo "They could not be installed: going on without"

typings/.ready: requirements-stubs.lock $(VENV)/.made
	@echo "Fetching the ESP32's stubs"
	@rm -rf typings && $(INSTALL) --target typings -r requirements-stubs.lock
	@touch $@
