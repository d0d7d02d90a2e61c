# `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BASELINE := recipes.cad_icassp_2024.baseline

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint docs bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing torch and the rest: 5 GB on disk, one or two minutes on a fast line"
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

SEPARATORS := hpss,oracle,passthrough
DEMO := path.root=demo/cadenza_data 'path.exp_folder=demo/exp/$${separator.model}' \
	hydra.sweep.dir=demo/sweeps

demo: $(READY) ## make demo data, enhance and score it with three separators, write a report
	$(BIN)/python -m recipes.cad_icassp_2024.generate_dataset.make_demo_data --root demo/cadenza_data
	$(BIN)/python -m $(BASELINE).enhance -m separator=$(SEPARATORS) $(DEMO)
	$(BIN)/python -m $(BASELINE).evaluate -m separator=$(SEPARATORS) $(DEMO)
	$(BIN)/python -m $(BASELINE).report path.root=demo/cadenza_data report.audio=true \
		'report.folders=[demo/exp/hpss,demo/exp/oracle,demo/exp/passthrough]' \
		report.output=demo/report.html

test: $(READY) ## run the tests (minutes); what is skipped, and why, stands at the end
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: test ## run the long tests too: kills, full disks, SLURM, browser
	$(BIN)/python -m pytest -m slow

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY) ## build the documentation: docs/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict --config-file docs/mkdocs.yml

bench: $(READY) ## time HAAQI, enhancement and evaluation (PEER=python runs pyclarity beside it)
	$(BIN)/python benchmarks/haaqi.py $(if $(PEER),--peer $(PEER))
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/enhance.py
	$(BIN)/python benchmarks/background.py

clean: ## remove the environment, the demo and caches
	rm -rf $(VENV) demo docs/site build *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
