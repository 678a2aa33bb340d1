# `make help` lists what there is. Everything is done in .venv; nothing outside this folder is changed, but for `make test` and
# `make check` as root on Debian: programs that tests need are installed there (ops/setup.py, SYSTEM).

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# The whole suite waits more than it works: three workers, each with whole files and a stack of its own.
IN_PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-fast drill upgrade fuzz check asyncapi chaos bench schemas up down secrets requirements

help: ## List these.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: python ## Make .venv with the `winback` command and all that it needs; quick when nothing is left to do.
	@$(PYTHON) ops/setup.py

setup-dev: python
	@$(PYTHON) ops/setup.py --dev

demo: setup ## Two distributors' orders through the whole system: signals, a digest, drafts, and where to look.
	@$(BIN)/winback demo

test: setup-dev ## Every test, on real Kafka, PostgreSQL and SMTP, which it starts itself; T="tests/console -k badge": of them these.
	@$(BIN)/pytest $(or $(T),$(IN_PARALLEL))

test-fast: setup-dev ## What needs no stack, within a minute; T as above.
	@$(BIN)/pytest -m 'not system and not slow' -n 2 $(T)

fuzz: setup-dev ## What no test lists: made-up files, bodies and requests for some minutes; ends at the first fault.
	@PYTHONPATH=. $(BIN)/python -m tests.ingest.fuzz --rounds 20000
	@SCHEMATHESIS_EXAMPLES=1000 $(BIN)/pytest --hypothesis-profile=fuzz tests/ingest/test_properties.py tests/system/test_api_by_its_document.py

screenshots: setup-dev ## Pictures of every page and mail, phone and desk, light and dark, into .winback/screenshots.
	@$(BIN)/python -m tests.console.browser.pictures $(LOOKS)

drill: setup-dev ## Break the running system, and see every alert fire and clear; run each process as Docker would (minutes; as root).
	@$(BIN)/pytest -m 'not upgrade' tests/operations/test_compose.py tests/operations/test_drill.py \
	tests/operations/test_drill_at_length.py

upgrade: setup-dev ## Run FROM (a commit; else the one before) and this version side by side under orders: nothing is lost.
	@UPGRADE_FROM=$(or $(FROM),HEAD~1) $(BIN)/pytest -s -m upgrade tests/operations

check: setup-dev ## Style, types, schemas, layers, dependencies.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -P -m shared.schemas check
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .

chaos: setup ## Ten minutes of faults: kills, freezes, full disks, wrong clocks; then what was promised against what is there.
	@$(BIN)/winback chaos --minutes 10

bench: setup-dev ## Every figure of docs/performance.md, measured anew, with profiles: half an hour, with nothing else running.
	@$(BIN)/winback bench --profile --report docs/performance.md

audit-deps: setup ## Known faults of what is pinned, by the registry's advisories (needs uv's `uvx` or pip-audit on the PATH).
	@$$(command -v pip-audit || echo uvx pip-audit) --strict --require-hashes --disable-pip -r requirements/main.txt

asyncapi: ## Validate schemas/asyncapi.yaml with the AsyncAPI parser (needs Node.js and npm).
	@cd ops/asyncapi && npm ci --silent --no-audit --no-fund && node validate.js ../../schemas/asyncapi.yaml

schemas: setup ## Write schemas/ anew from the events.
	@$(BIN)/python -P -m shared.schemas write

up: setup ## Start everything on this machine; returns when all is ready.
	@$(BIN)/winback dev up --detach

down: ## End everything that `make up` or `make demo` started; what they know is kept.
	@$(BIN)/winback dev down

secrets: ## Make the secrets that docker-compose.yml mounts, once.
	@ops/secrets.sh

requirements: ## Pin requirements/*.in anew, with hashes (needs uv).
	@for name in main dev build stack; do \
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
	requirements/$$name.in -o requirements/$$name.txt || exit 1; done

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "winback: Python 3.11 or newer is needed" >&2; exit 3; }
