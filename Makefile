# Every target may be run again at any time, says what it does, and how long it took.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PYTHON ?= python3
STEP := scripts/step
VENV := .venv/bin
KIND := tests/cluster/kind

.PHONY: help setup gen check static test test-unit test-programs test-faults test-cluster cluster cluster-down images install demo demo-down serve run-operator bench-operator bench-runtime

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the development environment into .venv
	@$(STEP) "development environment" scripts/setup

gen: setup ## write what is made from code: the CRD, the chart's copy, references, pictures, digests in examples
	@$(STEP) "generated files" $(VENV)/python scripts/generate.py

check: static test-unit ## what `static` checks, and every test that needs neither a cluster nor other programs but Go

static: setup ## generated files, format, lint, types, import contracts
	@$(STEP) "generated files are up to date" $(VENV)/python scripts/generate.py --check
	@$(STEP) "format" $(VENV)/ruff format --check
	@$(STEP) "lint" $(VENV)/ruff check
	@$(STEP) "types" $(VENV)/mypy
	@$(STEP) "import contracts" $(VENV)/lint-imports

test-unit: setup ## every test that needs neither a cluster nor other programs but Go
	@$(VENV)/pytest -m "not cluster and not programs"

test-programs: setup ## the tests beside a browser, Prometheus, MLflow and an S3 server; fetches what is missing
	@$(STEP) "programs for tests" scripts/test-programs
	@$(VENV)/pytest -m programs -v

test-faults: setup ## the long fault campaigns, 16 minutes; writes docs/measurements/faults.md
	@$(VENV)/pytest tests/faults --long-campaigns -v

test-cluster: setup cluster images ## the tests on the real cluster
	@$(STEP) "stores that models are fetched from" $(KIND)/stores.sh
	@$(VENV)/pytest -m cluster -v

test: setup cluster images ## every test, on the real cluster too, and beside a browser, Prometheus and MLflow
	@$(STEP) "programs for tests" scripts/test-programs
	@$(STEP) "stores that models are fetched from" $(KIND)/stores.sh
	@$(VENV)/pytest

cluster: ## a kind cluster of two nodes; builds its node image where no image registry answers
	@$(STEP) "cluster" $(KIND)/up.sh

cluster-down: ## remove the cluster, and a Docker daemon of ours; what was built stays in ~/.cache/modelserver-kind
	@$(STEP) "cluster removed" $(KIND)/down.sh --all

images: ## build the images of the operator and the runtime
	@$(STEP) "images" scripts/images

install: cluster images ## install or upgrade the operator in the cluster with Helm
	@$(STEP) "operator installed" scripts/install

demo: setup install ## from nothing to a prediction answered by a pod that the operator made
	@$(STEP) "demo" $(KIND)/run.sh $(VENV)/python scripts/demo.py

demo-down: ## remove what the demo applied; the cluster stays
	@$(STEP) "demo removed" $(KIND)/run.sh kubectl delete --ignore-not-found -f examples/breast-cancer.yaml

serve: setup ## the runtime alone on http://127.0.0.1:8000, with the bundled model
	@MODELSERVER_HOST=127.0.0.1 MODELSERVER_MODEL_PATH=$${MODELSERVER_MODEL_PATH:-artifacts/model} $(VENV)/python -m modelserver_runtime

bench-operator: setup cluster ## the operator against a real API server: writes, healing, a burst, 1,000 ModelServers
	@PYTHONPATH=benchmarks $(KIND)/run.sh $(VENV)/python -m operator_bench $(ARGS)

run-operator: setup ## the operator from the desk, against the current context of your kubeconfig
	@$(VENV)/python -m modelserver_operator --log-format console --port 8081

bench-runtime: setup ## the runtime against a textbook FastAPI application; ARGS="--quick --models linear"
	@$(STEP) "wrk" scripts/install-wrk
	@$(STEP) "environment of the image" scripts/bench-environment
	@PYTHONPATH=server .venv-bench/bin/python benchmarks/runtime.py $(ARGS)
