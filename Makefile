# Everything this project does, by name.  `make` alone prints the list.

CONFIG  = configs/default.yaml
INPUT   =
OUTPUT  = $(if $(OWN_INPUT),,out/phantom-run)
CLUSTER =
FUZZ_SECONDS ?= 300
BENCHMARKS = whole_job resample stages decoders antialias
AT      = 02:30

VENV    = .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
READY_DEV = $(VENV)/.ready-dev
PHANTOM = out/phantom
TRUTH   = $(PHANTOM)/truth/truth.json

# A configuration may name its own input.roots.  Where neither it nor INPUT gives one, the phantom cohort is the input.
OWN_INPUT := $(strip $(INPUT)$(shell grep -Es '^ *(input *:.*)?roots *:' '$(CONFIG)'))

# What runs every night is named, never taken by default.
NIGHTLY_CONFIG = $(if $(filter file,$(origin CONFIG)),,"$$CONFIG")

export INPUT CONFIG CLUSTER
export OUTPUT := $(OUTPUT)

.DEFAULT_GOAL := help
.PHONY: help setup preprocess report nightly-install nightly-remove test test-slow test-pythons fuzz check fix bench lock clean

help: ## Prints this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile
	@echo
	@echo '  make preprocess INPUT=DIR OUTPUT=DIR [CONFIG=FILE] [CLUSTER=ADDRESS]'

setup: $(READY) ## Makes .venv with what a run needs, from requirements.lock; make test adds the rest.

preprocess: $(READY) $(if $(OWN_INPUT),,$(TRUTH)) ## Prepares INPUT into OUTPUT; without INPUT, a phantom cohort that it makes first.
	@$(BIN)/ctprep run "$$CONFIG" $(if $(OWN_INPUT),,--input '$(PHANTOM)/dicom') $(if $(INPUT),--input "$$INPUT") \
	    $(if $(OUTPUT),--output "$$OUTPUT") $(if $(CLUSTER),--cluster "$$CLUSTER"); \
	code=$$?; if [ $$code -eq 3 ]; then exit 0; else exit $$code; fi

report: $(READY) ## Writes the report of OUTPUT again.
	@$(BIN)/ctprep report "$$OUTPUT"

nightly-install: $(READY) ## Lets CONFIG=FILE run every night AT=HH:MM, by systemd or cron.
	@$(BIN)/python scripts/nightly_install.py install --at '$(AT)' $(NIGHTLY_CONFIG)

nightly-remove: $(READY) ## Ends the nights of CONFIG=FILE, without it all nights.
	@$(BIN)/python scripts/nightly_install.py remove $(NIGHTLY_CONFIG)

test: $(READY_DEV) ## Runs every check and every test but the slow ones.
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

test-slow: $(READY_DEV) ## Runs the tests that take minutes.
	@$(BIN)/python -m pytest -m slow

test-pythons: ## Runs the main job with every supported Python that is here, and compares the stores.
	@sh scripts/test_pythons.sh

fuzz: $(READY_DEV) ## Gives the program spoilt files to read, for five minutes; FUZZ_SECONDS=N for longer or shorter.
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_SEED=$$(date +%s) $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/system/test_fuzz.py

check: $(READY_DEV) ## Looks at style, types and the house's walls; changes nothing.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: $(READY_DEV) ## Mends what ruff can mend, and formats.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY_DEV) ## Measures ctprep beside its peers, and prints a table each; BENCHMARKS='training scale ...' for others.
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python "benchmarks/$$name.py"; done

# Universal and by hash, without a word of where packages come from.  What a run may need: the package, what installs it,
# and buckets, job queues and NIfTI masks, which any configuration may ask for.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
    --no-emit-index-url pyproject.toml

lock: ## Resolves both locks again from pyproject.toml, keeping versions that still fit (needs uv).
	@$(COMPILE) --group dev --group bench --output-file requirements-dev.lock
	@$(COMPILE) --group setup --extra s3 --extra hpc --extra nifti \
	    --constraint requirements-dev.lock --output-file requirements.lock

clean: ## Removes the environment and the tools' caches; results in out/ stay.
	@rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(READY): requirements.lock pyproject.toml scripts/make_venv.sh
	@sh scripts/make_venv.sh '$(VENV)' requirements.lock
	@touch $@

$(READY_DEV): requirements-dev.lock pyproject.toml scripts/make_venv.sh
	@sh scripts/make_venv.sh '$(VENV)' requirements-dev.lock
	@touch $@ $(READY)

$(TRUTH): | $(READY)
	@$(BIN)/python scripts/make_phantom_cohort.py '$(PHANTOM)'
