# Every command below works from a fresh clone with Python 3.11 or newer; `make help` lists them.

# The first that runs and is recent enough: a version manager's shim may be there without its Python.
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$python" -c '$(RECENT)' 2>/dev/null && echo "$$python" && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e cluster cluster-down run generate check bench golden lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install the locked dependencies and this project into .venv

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python" >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: setup ## the main job on a control plane of its own, from connecting to being cut off; TLS=mutual: encrypted
	$(BIN)/python -m demo $(if $(TLS),--tls $(TLS))

test: setup ## every test, against a real control plane and real nats-servers
	$(BIN)/python -m pytest tests

e2e: setup ## end-to-end tests on a node of their own (root, Debian); KIND=name: on that cluster of kind (KIND=1: iotsec)
ifdef KIND
	$(BIN)/python -m testbed.node.prepare --kind
	$(BIN)/python -m pytest tests/e2e -m "not own_node"
else
	$(BIN)/python -m testbed.node.prepare
	$(BIN)/python -m testbed.node.machine $(BIN)/python -m pytest tests/e2e
endif

cluster: setup ## leave a control plane and a nats-server running; kubeconfig in .cluster/kubeconfig
	@$(BIN)/python -m testbed up

cluster-down: setup ## stop and remove what `make cluster` started
	@$(BIN)/python -m testbed down

run: setup ## the operator, against $KUBECONFIG
	$(BIN)/iotsec run

generate: setup ## write CRDs and manifests from the code
	$(BIN)/python -m iotsec.api.generate

check: setup ## lint, format, types, layers, and drift of everything generated
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m iotsec.api.generate --check

bench: setup ## benchmarks, one JSON line per figure
	$(BIN)/python -m bench

golden: setup ## write the vectors that the tests compare with, by NATS's own Go library
	go=$$($(BIN)/python -m testbed find go) && cd tests/go && "$$go" run ./golden > ../nats/golden.json.new
	mv tests/nats/golden.json.new tests/nats/golden.json

lock: ## resolve the dependencies again, into requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev \
		pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--constraint requirements.lock pyproject.toml -o image/requirements.lock
	printf '%s\n' hatchling setuptools | uv pip compile --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --constraint requirements.lock - -o image/build.lock
