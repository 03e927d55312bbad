# `make help` lists the targets. Python parts go into .venv from the hashed locks, system parts come from apt.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Tests start hundreds of processes: none should compile anew what another one has.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PYTEST_ARGS ?=
# Tests with real parts wait more than they compute, so one more than there are processors runs at once. End-to-end
# tests measure throughput: nothing runs beside them.
SPREAD := -n auto --dist loadfile
SPREAD_WAITING = -n $(shell echo $$(($$(nproc) + 1))) --dist loadfile --no-loadscope-reorder
# Unit tests leave thousands of small files behind, so in memory where that will do.
UNIT = PYTEST_DEBUG_TEMPROOT="$$(.ci/temporary-root)" $(BIN)/pytest tests/unit $(SPREAD)
ONLY ?=
SEED ?=
PARTS ?=
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --custom-compile-command "make lock"

RUNTIME := $(VENV)/.runtime-stamp
DEVELOPMENT := $(VENV)/.development-stamp
ANSIBLE := .venv-ansible/.stamp
BUILDBOT := .venv-buildbot/.stamp
EXPORTER := .venv-exporter/.stamp

.PHONY: help setup demo test unit integration e2e lab lint ansible ansible-lint format dashboards bench pictures lock system-parts test-parts chaos clean

help: ## list these targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)$$/  make \1\t\2/' | expand -t 22

setup: $(DEVELOPMENT) ## everything needed to work on Matins, in .venv

demo: $(RUNTIME) system-parts ## the main job, end to end, on this machine
	@$(BIN)/matins demo

test: $(DEVELOPMENT) $(ANSIBLE) $(EXPORTER) system-parts test-parts ## unit, integration and end-to-end tests
	@$(UNIT) $(PYTEST_ARGS)
	@$(BIN)/pytest tests/integration $(SPREAD_WAITING) $(PYTEST_ARGS)
	@$(BIN)/pytest tests/e2e $(PYTEST_ARGS)

unit: $(DEVELOPMENT) ## tests that need nothing but Python
	@$(UNIT) $(PYTEST_ARGS)

integration: $(DEVELOPMENT) $(ANSIBLE) $(EXPORTER) system-parts test-parts ## tests with real parts
	@$(BIN)/pytest tests/integration $(SPREAD_WAITING) $(PYTEST_ARGS)

e2e: $(DEVELOPMENT) system-parts ## the whole path, with real cargo and Vulkan
	@$(BIN)/pytest tests/e2e $(PYTEST_ARGS)

lab: $(DEVELOPMENT) ## virtual machines that sleep and wake, to play with; as root
	@$(BIN)/python -m tests.fleet_lab

lint: $(DEVELOPMENT) ## ruff, pyright and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache

ansible: $(ANSIBLE) ## Ansible for the roles in ansible/, in .venv-ansible

ansible-lint: $(ANSIBLE) ## the roles, at ansible-lint's production profile
	@cd ansible && PATH="$(CURDIR)/.venv-ansible/bin:$$PATH" ansible-lint

format: $(DEVELOPMENT) ## rewrite the sources in the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dashboards: $(DEVELOPMENT) ## write grafana/dashboards/*.json anew, from grafana/src
	@$(BIN)/python -m grafana.src

# Only the pipeline is compared with Buildbot.
bench: $(DEVELOPMENT) $(if $(filter-out pipeline,$(ONLY)),,$(BUILDBOT)) system-parts ## every benchmark, or ONLY=name
	@for script in tests/bench/$(if $(ONLY),$(ONLY),[a-z]*).py; do $(BIN)/python "$$script"; done

pictures: $(DEVELOPMENT) $(EXPORTER) test-parts ## draw docs/pictures/ from a service with a history, seen by Prometheus
	@$(BIN)/python -m tests.integration.observing.pictures

chaos: $(DEVELOPMENT) system-parts test-parts ## random faults and a verdict; SECONDS=600 SEED=7 PARTS=scaled|lab
	@$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(PARTS),--parts $(PARTS))

lock: $(DEVELOPMENT) ## resolve the dependencies anew; UPGRADE=1 takes newer versions
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group build -o requirements.lock
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group build --group dev -c requirements.lock \
		-o requirements-dev.lock
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) ansible/requirements.txt -o ansible/requirements.lock
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) tests/bench/buildbot.in -o tests/bench/buildbot.txt
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) tests/integration/observing/exporter.in \
		-o tests/integration/observing/exporter.txt

system-parts: ## Debian packages for Vulkan, shaders and the sandbox, where they are missing
	@.ci/system-parts

test-parts: ## Debian packages with the servers that tests start for themselves, where they are missing
	@.ci/test-parts

clean: ## remove .venv and all caches
	@rm -rf $(VENV) .venv-ansible .venv-buildbot .venv-exporter build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find orchestrator runner_agent tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@PYTHON='$(PYTHON)' .ci/make-venv $(VENV)

$(RUNTIME): $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	@echo "make: installing what Matins runs on into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@echo "make: installing what developing Matins needs into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(ANSIBLE): ansible/requirements.lock
	@echo "make: installing Ansible into .venv-ansible" >&2
	@PYTHON='$(PYTHON)' .ci/make-venv .venv-ansible
	@.venv-ansible/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r ansible/requirements.lock
	@touch $@

$(BUILDBOT): tests/bench/buildbot.txt
	@echo "make: installing Buildbot into .venv-buildbot" >&2
	@PYTHON='$(PYTHON)' .ci/make-venv .venv-buildbot
	@.venv-buildbot/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/bench/buildbot.txt
	@touch $@

$(EXPORTER): tests/integration/observing/exporter.txt
	@.ci/make-exporter-venv .venv-exporter $<
