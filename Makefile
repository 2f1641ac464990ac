# `make demo` and `make test` set up what they need; nothing else is installed by hand.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Processes that run tests: they wait more than they work, so one more than the least machine has cores.
WORKERS ?= 3
# The MLflow server that tests and the demo start has an environment of its own.
MLFLOW := .venvs/mlflow
MLFLOW_READY := $(MLFLOW)/.ready
# So have programs of others that send to Segue or write what it reads, for tests with real ones.
SENDERS := .venvs/senders
SENDERS_READY := $(SENDERS)/.ready
# What mutants are made with has one, too: nothing else needs it.
MUTANTS := .venvs/mutants
MUTANTS_READY := $(MUTANTS)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-labels image check test fuzz test-faults test-faults-whole test-hosts test-hosts-whole test-browser pictures test-cluster test-cluster-whole test-mutants bench bench-guards bench-guards-whole bench-peers lock clean

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## make the virtual environment from the hashed requirements

$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) (about half a minute on a fast network) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Segue needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bootstrap.txt -r requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(MLFLOW_READY): requirements/mlflow.txt | $(READY)
	@echo "Setting up $(MLFLOW), a real MLflow server (650 MB; a minute on a fast network) ..."
	@$(PYTHON) -m venv --clear --without-pip $(MLFLOW)
	@$(UV) pip install --quiet --python $(MLFLOW)/bin/python --require-hashes -r requirements/mlflow.txt
	@touch $@

$(SENDERS_READY): requirements/senders.txt | $(READY)
	@echo "Setting up $(SENDERS): GTO, and the libraries of CloudEvents and of Standard Webhooks ..."
	@$(PYTHON) -m venv --clear --without-pip $(SENDERS)
	@$(UV) pip install --quiet --python $(SENDERS)/bin/python --require-hashes -r requirements/senders.txt
	@touch $@

$(MUTANTS_READY): requirements/mutants.txt | $(READY)
	@echo "Setting up $(MUTANTS): mutmut ..."
	@$(PYTHON) -m venv --clear --without-pip $(MUTANTS)
	@$(UV) pip install --quiet --python $(MUTANTS)/bin/python --require-hashes -r requirements/mutants.txt
	@touch $@

demo: $(READY) $(MLFLOW_READY) ## nine releases, played on this machine; KEEP=1 leaves it running
	$(BIN)/segue demo $(if $(KEEP),--keep)

demo-labels: $(READY) ## four releases that are judged by true labels, in the shadow and late; no MLflow
	$(BIN)/segue demo --labels --folder .demo-labels --report demo-labels-report.json

image: $(READY) ## Segue's own image, without a container engine; PUSH=https://registry.example/segue TAG=... sends it there
	@$(BIN)/python charts/image.py $(if $(PUSH),--push $(PUSH)) $(if $(TAG),--tag $(TAG))

check: $(READY) ## linters, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tests on a busy machine: what failed is shown, run once more, one after the other, and must not fail twice.
twice = $(1) || { echo "once more, what failed:"; $(1) -n 0 --last-failed --last-failed-no-failures none; }

test: $(READY) $(MLFLOW_READY) ## all tests on this machine, but for those of minutes below; WORKERS=1: one after the other
	@$(BIN)/python -m tests.servers
	$(call twice,$(BIN)/pytest -q -m "not faults" -n $(WORKERS) --dist loadfile --no-loadscope-reorder)

FAULTS_TESTS = $(BIN)/pytest -q -s tests/faults -m faults --durations 5

test-faults: $(READY) ## kill, stop and break everything for some minutes; SEED=n plays a printed seed again
	$(call twice,SEGUE_FAULTS_SEED=$(SEED) $(FAULTS_TESTS) -n 2 --dist worksteal)

test-faults-whole: $(READY) ## the same at full length: 10,000 kills of bodies, 200 of processes, every point (about an hour)
	SEGUE_FAULTS_SEED=$(SEED) SEGUE_FAULTS=whole $(FAULTS_TESTS)

fuzz: $(READY) ## a million changed inputs over all parsers, 50,000 malformed requests to intake and to web (a quarter of an hour or more); SLICE=60: so many seconds
	$(BIN)/python -m tests.fuzz $(if $(SLICE),--seconds $(SLICE) --requests 3000)

ON_POSTGRESQL = $(addprefix tests/scenarios/test_,$(addsuffix .py,lost_webhooks when_newer orders parked upgrades trust)) tests/integration/test_authorization.py

test-hosts: $(READY) $(MLFLOW_READY) $(SENDERS_READY) ## tests with real servers beside Segue: Gitea, Alertmanager, Keycloak, a Matrix server (built or installed once, minutes), MLflow, Distribution, brokers, PostgreSQL
	$(BIN)/python -m tests.hosts.packages $(if $(HOSTS_WHOLE),whole)
	$(BIN)/python -m tests.hosts.building
	$(BIN)/python -m tests.hosts.alerting
	$(BIN)/python -m tests.hosts.matrix
	$(BIN)/python -m tests.hosts.keycloak
	$(call twice,$(BIN)/pytest -q tests/hosts -n 2 --dist loadfile --timeout 300 --durations 5$(if $(HOSTS_WHOLE),, -m "not whole"))
	$(call twice,SEGUE_TEST_SCENARIOS=postgres $(BIN)/pytest -q $(ON_POSTGRESQL) -n $(WORKERS) --timeout 300)

test-hosts-whole: ## the same with each broker emptied in each way, an earlier version beside today's on SQLite, too, and an image from the Dockerfile
	$(MAKE) test-hosts HOSTS_WHOLE=1

test-browser: $(READY) ## the page in Debian's Chromium: every page and command, with axe; what it looked like is in .screenshots
	$(BIN)/python -m tests.browser.packages
	$(call twice,$(BIN)/pytest -q tests/browser --timeout 300 --durations 5)

CLUSTER = $(BIN)/python -m tests.cluster.local $(if $(KUBERNETES),--kubernetes $(KUBERNETES)) $(if $(CONTAINERD),--containerd) run
CLUSTER_TESTS = $(BIN)/pytest -q tests/cluster --durations 10
CLUSTER_SLICE = $(CLUSTER_TESTS) --timeout 300 -m "not whole" -n 2 --dist loadgroup --no-loadscope-reorder
# The moment after which no test of a slice begins; time to build and start the cluster counts.
UNTIL := $(if $(SLICE),$(shell expr `date +%s` + $(SLICE)))

PICTURES = .demo-pictures

pictures: $(READY) $(MLFLOW_READY) ## the pictures of docs/how-to, made anew from a demo that runs; look at them before you commit them
	$(BIN)/python -m tests.browser.packages
	$(BIN)/segue demo --keep --folder $(PICTURES) --report $(PICTURES)-report.json
	$(BIN)/python -m tests.browser.pictures $(PICTURES); ended=$$?; $(BIN)/segue demo --end --folder $(PICTURES); exit $$ended

test-cluster: $(READY) $(MLFLOW_READY) ## tests on a real Kubernetes, built (once), started and ended here; KUBERNETES=1.34.4 for another, SLICE=1500: those that begin within so many seconds
	SEGUE_TEST_UNTIL=$(UNTIL) $(CLUSTER) sh -c '$(call twice,$(CLUSTER_SLICE))'

test-cluster-whole: $(READY) $(MLFLOW_READY) ## the same with what takes minutes: every seed, 10,000 generated specs (about an hour)
	SEGUE_TEST_SEEDS=4 SEGUE_TEST_SPECS=10000 SEGUE_TEST_ORDERS=10000 $(CLUSTER) $(CLUSTER_TESTS) --timeout 3600

test-mutants: $(READY) $(MUTANTS_READY) ## small changes to the guards and the rollout machine, of which tests must notice 85 %; SLICE=60: so many seconds, SEED=2 for others, ONLY=policies/shifting.py for one module
	$(BIN)/python -m tests.mutants --seed $(or $(SEED),1) $(if $(SLICE),--seconds $(SLICE)) $(if $(ONLY),--only $(ONLY))

bench: $(READY) ## all benchmarks, as ratios to their limits (about sixteen minutes)
	@failed=0; for name in build up rollback recovery intake spent live; do $(BIN)/python bench/$$name.py || failed=1; echo; done; $(BIN)/python -m bench.guards --seconds 60 || failed=1; exit $$failed

bench-guards: $(READY) ## the guards beside Kayenta's judge and the loops of Argo and Flagger (five minutes); SLICE=60: so many seconds
	@$(BIN)/python -m bench.guards --seconds $(or $(SLICE),300)

bench-guards-whole: $(READY) ## the same with 1,000 runs of each cell of good versions (an hour of two cores), and its pictures
	@mkdir -p .bench; $(BIN)/python -m bench.guards --seconds $(or $(SECONDS_AT_MOST),7200) --save .bench/guards.json; broken=$$?; $(BIN)/python -m bench.guards.pictures .bench/guards.json docs/why/pictures && exit $$broken

bench-peers: $(READY) ## Segue beside Argo Rollouts and Flagger on a real cluster; ROUNDS=3; the first run builds them (half an hour)
	$(BIN)/python -m tests.cluster.local run $(BIN)/python -m bench.peers --rounds $(or $(ROUNDS),1)

lock: $(READY) ## write the hashed requirements anew from pyproject.toml
	for name in bootstrap mlflow senders mutants; do $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/$$name.in -o requirements/$$name.txt; done
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --only-binary :all: --no-emit-index-url --no-header -c requirements/mlflow.txt examples/diabetes/requirements.in -o examples/diabetes/requirements.lock
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra embedded --extra postgres pyproject.toml -o requirements/app.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra embedded --extra postgres --extra pictures --group dev -c requirements/app.txt pyproject.toml requirements/build.in -o requirements/dev.txt

clean: ## end what a demo left running, remove the virtual environments and caches
	@if [ -d .demo ] && [ -x $(BIN)/segue ]; then $(BIN)/segue demo --end; fi
	@if [ -d .demo-labels ] && [ -x $(BIN)/segue ]; then $(BIN)/segue demo --end --folder .demo-labels; fi
	@if [ -d $(PICTURES) ] && [ -x $(BIN)/segue ]; then $(BIN)/segue demo --end --folder $(PICTURES); fi
	rm -rf $(VENV) .venvs .image .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
