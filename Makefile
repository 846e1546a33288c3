# The whole interface of a contributor: train, install, lint, check, test, build.
# make train  sets up .venv, trains the sample tagger, prints its report, tags two sentences
# make test   sets up .venv with the dev tools, runs every check and test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := setup.cfg pyproject.toml constraints.txt
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SAMPLE_RUN := runs/pos_sample

.PHONY: train test install lint check format build peers clean
.DELETE_ON_ERROR:

train: $(VENV)/.installed
	@rm -rf $(SAMPLE_RUN)
	@$(BIN)/tagger train configs/pos_sample.yaml --out $(SAMPLE_RUN)
	@printf '%s\n' 'Dr. Kim flew from Oslo to Lisbon on Friday.' "We can't wait to see the new museum!" \
		| $(BIN)/tagger predict $(SAMPLE_RUN)

install: $(VENV)/.installed-dev

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: lint check
	$(BIN)/python -m pytest -n 2

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# beside CRFsuite, spaCy and Flair on the same files, e.g. make peers DATA=data/ewt (some 45 minutes on two cores)
peers: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/peers/run.py --data $(DATA)

build: $(VENV)/.installed-dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
		sys.exit(0 if v >= (3, 11) else "tagger needs Python 3.11 or newer, $(PYTHON) is %d.%d: make PYTHON=python3.11 ..." % v[:2])'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created $(REQUIREMENTS)
	@echo "Installing tagger into $(VENV) (once; some minutes)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.created $(REQUIREMENTS)
	@echo "Installing tagger and the development tools into $(VENV) (once; some minutes)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
