# Targets set up whatever they need by themselves. ARGS reaches ansible-playbook: make site ARGS="--check --diff"

PYTHON ?= python3
INVENTORY ?= inventories/local
ARGS ?=

export XDG_CACHE_HOME ?= $(HOME)/.cache
ARTIFACTS := $(XDG_CACHE_HOME)/mesh.fleet/artifacts
OUTER_PATH := $(PATH)
export PATH := $(CURDIR)/.venv/bin:$(ARTIFACTS)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
STAGES := lint unit sanity artifacts api gcp molecule e2e long other-python

.DEFAULT_GOAL := help
.PHONY: help setup site test bench mutants clean distclean $(STAGES)

help: ## print these targets
	@awk -F ':.*## ' '/^[a-z$$()A-Z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '  make %-12s %s\n' \
	  lint 'ruff, mypy, ansible-lint, changelog, playbook syntax' \
	  unit 'tests that need neither cluster nor API server' \
	  sanity 'ansible-test sanity' \
	  artifacts 'programs, charts and images that clusters need' \
	  api 'tests against a real kube-apiserver and etcd' \
	  gcp 'the Google side against a stand-in for Google' \
	  molecule 'every role on a fleet of its own' \
	  e2e 'site.yml on a fleet of its own, then real calls' \
	  long 'end to end: remotes, federated clusters, AWX jobs in pods; no part of make test' \
	  other-python 'unit tests on Python 3.13; no part of make test'

setup: ## make .venv from the pinned requirements
	@PATH="$(OUTER_PATH)" $(PYTHON) tests/venv.py

site: setup ## create the fleet of INVENTORY and join it to one mesh (ARGS="--check --diff")
	@ansible-playbook -i $(INVENTORY) playbooks/site.yml $(ARGS)

test: setup ## run every test, cheap ones first, on a fleet of its own
	@python tests/run.py

$(STAGES): setup
	@python tests/run.py $@

bench: setup ## print the figures, as JSON
	@python tests/bench/run.py $(ARGS)

mutants: setup ## try changed code against the unit tests (ARGS="plugins/module_utils/_model/peering")
	@nice python tests/mutants.py $(ARGS)

clean: setup ## remove the fleet, keep the caches
	@ansible-playbook -i $(INVENTORY) playbooks/teardown.yml $(ARGS)

distclean: clean ## remove the fleet, the caches and .venv
	@ansible-playbook -i $(INVENTORY) playbooks/artifacts_removal.yml
	@chmod -R u+w "$(XDG_CACHE_HOME)/mesh.fleet" 2>/dev/null || true # Go's module cache is read-only
	@rm -rf "$(XDG_CACHE_HOME)/mesh.fleet" build .cache .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis
