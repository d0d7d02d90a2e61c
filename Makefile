# `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BASELINE := recipes.cad_icassp_2024.baseline

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo demo-finetune test test-slow lint docs bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing torch and the rest: 6 GB on disk, one or two minutes on a fast line"
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

FINETUNE := path.root=demo/cadenza_data separator=masknet training.epochs=2 \
	training.steps_per_epoch=12 training.learning_rate=0.003

demo-finetune: demo ## train a small network on L1, on HAAQI and on both; score and compare them (minutes)
	for losses in l1:10:0 haaqi:0:1 both:10:1; do set -e; IFS=: read name l1 haaqi <<< $$losses; \
		$(BIN)/python -m $(BASELINE).finetune $(FINETUNE) separator.model=$$name \
			training.l1_weight=$$l1 training.haaqi_weight=$$haaqi \
			path.exp_folder=demo/exp/finetune_$$name; \
		for step in enhance evaluate; do $(BIN)/python -m $(BASELINE).$$step separator=masknet \
			separator.model=$$name path.root=demo/cadenza_data path.exp_folder=demo/exp/$$name \
			separator.checkpoint=demo/exp/finetune_$$name/best.pt; done; done
	for step in enhance evaluate; do $(BIN)/python -m $(BASELINE).$$step separator=masknet \
		path.root=demo/cadenza_data path.exp_folder=demo/exp/untrained separator.model=untrained; done
	$(BIN)/python -m $(BASELINE).report path.root=demo/cadenza_data report.output=demo/finetune.html \
		'report.folders=[demo/exp/untrained,demo/exp/l1,demo/exp/haaqi,demo/exp/both]'

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
	$(BIN)/python benchmarks/resume.py

clean: ## remove the environment, the demo and caches
	rm -rf $(VENV) demo docs/site build *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
