# `make train` and `make test` each make .venv, install, and do the job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

MINUTES ?= 10
PARTS ?= mutation kills disks races signals

.PHONY: train test test-without-box2d lint docs package proofs chaos parity conformance-data \
	wasm lock pretrained pretrained-hardcore clean

train: $(VENV)/installed
	$(BIN)/bipedal train

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The same as where Box2D is not installed: what compares with Gymnasium's own walker is skipped.
test-without-box2d: $(VENV)/installed-dev
	mkdir -p build/without-box2d
	echo 'raise ModuleNotFoundError("hidden for a test", name="Box2D")' > build/without-box2d/Box2D.py
	PYTHONPATH=$(CURDIR)/build/without-box2d $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, into build/site; a warning is an error. Open build/site/index.html.
docs: $(VENV)/installed-dev
	$(BIN)/python -m sphinx -E -W --keep-going -q -d build/doctrees docs build/site

# The wheel and the source archive, into dist/; the wheel is tried in an environment of its own.
package: $(VENV)/installed-dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python packaging/check_wheel.py dist/*.whl

# The slow proofs: a real training, twenty kills, three minutes of chaos. Minutes to tens of minutes.
proofs: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow

# Damage files, kill processes, fill disks, race and interrupt, and see that only sentences come of
# it. A million damaged files take about 40 minutes on two idle cores: make chaos MINUTES=40
# PARTS=mutation
chaos: $(VENV)/installed-dev
	$(BIN)/python tests/chaos/chaos.py --minutes $(MINUTES) --parts $(PARTS)

# Whole episodes in the engine and in Gymnasium, bit for bit: about half an hour on two cores.
# Writes results/parity.json.
parity: $(VENV)/installed-dev
	$(BIN)/python benchmarks/parity.py

# Record from Gymnasium the episodes that `bipedal conformance` plays: a few minutes.
conformance-data: $(VENV)/installed-dev
	$(BIN)/python benchmarks/conformance_data.py

# Compile the physics for the page of `bipedal share`: about a minute.
wasm: $(VENV)/installed-dev
	$(BIN)/python -m bipedal.live.build

# Write down the versions in .venv. A local label (+cpu) names a build that others may not have.
lock: $(VENV)/installed-dev
	@echo "# The development environment, written by make lock." > requirements-dev.lock
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//' >> requirements-dev.lock

# Put the run runs/pretrained-NAME in the place of pretrained:NAME.
define publish
cp runs/pretrained-$(1)/evaluations.csv results/pretrained-$(1).csv
cp runs/pretrained-$(1)/score.json results/pretrained-$(1).json
cp runs/pretrained-$(1)/saved_models/best_model.pth bipedal/pretrained/$(1).pth
cp runs/pretrained-$(1)/saved_models/best_model_stats.pkl bipedal/pretrained/$(1)_stats.pkl
endef

# Train the best walker (about ten minutes on one core), and put it in the place of
# pretrained:walker and of the picture in the README.
pretrained: $(VENV)/installed
	rm -rf runs/pretrained-walker
	$(BIN)/bipedal train --preset record --seed 1030 --run-dir runs/pretrained-walker \
		--final-episodes 1000
	$(call publish,walker)
	$(BIN)/bipedal record pretrained:walker --out docs/walker.gif --max-seconds 4.2

# Train a Hardcore walker in three stages (about 50 minutes on one core), and put it in the place of
# pretrained:hardcore.
pretrained-hardcore: $(VENV)/installed
	rm -rf runs/hardcore runs/hardcore-careful runs/pretrained-hardcore
	$(BIN)/bipedal train --preset hardcore --seed 1013 --run-dir runs/hardcore --final-episodes 0
	$(BIN)/bipedal train --preset hardcore-careful --seed 1013 --init-from runs/hardcore \
		--run-dir runs/hardcore-careful --final-episodes 0
	$(BIN)/bipedal train --preset hardcore-polish --seed 1013 --init-from runs/hardcore-careful \
		--run-dir runs/pretrained-hardcore --final-episodes 1000
	$(call publish,hardcore)
	$(BIN)/bipedal record pretrained:hardcore --out docs/hardcore.gif --max-seconds 3.4

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || \
		{ echo "bipedal needs Python 3.11 to 3.14: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
