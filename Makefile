# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# One lock, two extents: the demo's environment is a subset of the developer's, with the same versions.
# --no-deps: the lock is complete, and transparent-background would pull in a second cv2.
define install
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	    { echo "The environment needs Python 3.10, 3.11 or 3.12: name one, as in make demo PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/$(1).txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(VENV)/$(1).stamp
endef

.PHONY: demo test test-library test-services test-fast walk check format docs lock train-demo ship-demo train-matting ship-matting tables serve gateway engines quality benchmark accept-mattes clean

demo: $(VENV)/demo.stamp
	$(BIN)/tuft-export publish --checkpoint demo --runtime python
	$(BIN)/tuft demo $(if $(PHOTO),"$(PHOTO)") -o out/demo

# Two halves side by side, on two cores. They take about the same time, and share no fixture that is expensive.
LIBRARY := tests/benchmarks tests/client tests/export tests/local tests/runtime tests/server/test_prompts.py \
           tests/test_docs.py tests/training tests/wheel

test: $(VENV)/dev.stamp
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-library test-services

test-library test-services: SHELL := bash
test-library test-services: .SHELLFLAGS := -o pipefail -c
test-library: $(VENV)/dev.stamp
	@$(call pytest,library,$(LIBRARY))
test-services: $(VENV)/dev.stamp
	@$(call pytest,services,tests $(addprefix --ignore=,$(LIBRARY)))

# Each line of output says whose it is. Tests see the same variables whether make runs them or not; Ctrl-C ends pytest,
# and sed with it.
pytest = env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS $(BIN)/python -m pytest $(2) 2>&1 | \
    { trap '' INT; exec sed -u 's/^/$(1): /'; }

test-fast: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "not slow and not server"

# Every command of the README and the docs, in order, with the wheel in a fresh environment and folder.
walk: $(VENV)/dev.stamp
	$(BIN)/python -m pytest tests/test_docs.py

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=training $(BIN)/lint-imports

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages of docs/ and the API reference: out/docs/index.html. A broken link fails.
docs: $(VENV)/dev.stamp
	$(BIN)/mkdocs build --strict

serve: $(VENV)/demo.stamp
	$(BIN)/tuft serve

# A model server and the gateway before it: the address printed opens the page.
gateway: $(VENV)/dev.stamp
	$(BIN)/tuft-export publish --checkpoint demo --runtime python
	$(BIN)/tuft gateway --serve

# On the machine that will serve them, as in make engines TRITON=26.07 CHECKPOINT=base DEVICE=L4.
engines: $(VENV)/dev.stamp
	deploy/engines.sh

# Continues where out/training ended. TUFT_PETS=DIR or ../shared/pets: real photographs with masks, beside the scenes.
# PASSIVE: threads that wait for each other leave the core to those that make samples.
train-demo train-matting: export OMP_WAIT_POLICY := PASSIVE
train-demo: $(VENV)/dev.stamp
	PYTHONPATH=training $(BIN)/python -m tuft_training --resume $(if $(MINUTES),--minutes $(MINUTES))

# The matting stage: patches into out/matting/patches, then training into out/matting/run; both go on where they were.
PATCHES := out/matting/patches
train-matting: export PYTHONPATH := training
train-matting: $(VENV)/dev.stamp
	$(BIN)/python -m tuft_training.matting.cache --first 1 --count 40 --output $(PATCHES)/held_out
	$(BIN)/python -m tuft_training.matting.cache --first 100000 --count $(or $(PICTURES),1000) --output $(PATCHES)/train
	$(BIN)/python -m tuft_training.matting.train --patches $(PATCHES)/train --held-out $(PATCHES)/held_out \
	    --output out/matting/run $(if $(MINUTES),--minutes $(MINUTES))

# WEIGHTS (a file of out/matting/run) become the stage that ships.
MATTING := export/tuft_export/matting
ship-matting: $(VENV)/dev.stamp
	cp $(WEIGHTS) $(MATTING)/matting.safetensors
	sed -i "s/^SHIPPED_SHA256: Final = .*/SHIPPED_SHA256: Final = \"$$(sha256sum $(WEIGHTS) | cut -d' ' -f1)\"/" $(MATTING)/checkpoints.py
	$(BIN)/python -m tuft_export.matting.graph

# The demo becomes the mean of CHECKPOINTS (files); what depends on it is measured and rendered anew. Look at
# docs/images/demo_photographs.webp, write into benchmarks/results/demo.json how many are `whole`, then `make tables`.
DEMO := export/tuft_export/demo/demo.safetensors
ship-demo: export PYTHONPATH := training
ship-demo: $(VENV)/dev.stamp
	$(BIN)/python -m tuft_training.averages $(CHECKPOINTS) -o $(DEMO)
	sed -i "s/^_DEMO_SHA256 = .*/_DEMO_SHA256 = \"$$(sha256sum $(DEMO) | cut -d' ' -f1)\"/" export/tuft_export/checkpoints.py
	$(BIN)/python benchmarks/demo.py --photos ../shared/photos/composites --json benchmarks/results/demo.json
	$(BIN)/python -m tuft_training.evaluate --checkpoint $(DEMO) --photos ../shared/photos/photos \
	    --output docs/images/demo_photographs.webp
	$(BIN)/python docs/_cutouts.py $(addprefix ../shared/photos/photos/,rooster.webp x_dog-human.jpg w_moose.webp)
	$(BIN)/python benchmarks/tables.py
	$(MAKE) accept-mattes

tables: $(VENV)/dev.stamp
	PYTHONPATH=training $(BIN)/python benchmarks/tables.py

# Every preset on pictures with exact alpha: out/quality/index.html.
quality: $(VENV)/dev.stamp
	$(BIN)/tuft-export publish --checkpoint demo --runtime python
	PYTHONPATH=training $(BIN)/python benchmarks/quality.py --against transparent-background \
	    $(if $(wildcard ../shared/photos/composites),--photos ../shared/photos/composites)

# Any script of benchmarks/, as in make benchmark NAME=latency ARGS="--presets standard --json out/latency.json".
benchmark: $(VENV)/dev.stamp
	@test -n "$(NAME)" -a -f "benchmarks/$(NAME).py" || \
	    { echo "There is no benchmark \"$(NAME)\": name a script of benchmarks/, as in make benchmark NAME=latency"; exit 1; }
	$(if $(filter quality,$(NAME)),$(BIN)/tuft-export publish --checkpoint demo --runtime python)
	$(BIN)/python benchmarks/$(NAME).py $(ARGS)

# The mattes of visual regression as they are now, and a report of what changes.
accept-mattes: $(VENV)/dev.stamp
	PYTHONPATH=training:tests $(BIN)/python tests/regression/accept.py

# Needs uv (pip install uv).
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal --python-version 3.10 --no-annotate \
        --no-emit-index-url --no-emit-find-links --override requirements/overrides.txt
lock:
	$(LOCK) --extra dev pyproject.toml -o requirements/dev.txt
	$(LOCK) --extra demo -c requirements/dev.txt pyproject.toml -o requirements/demo.txt
	$(LOCK) --extra gateway-shared -c requirements/dev.txt pyproject.toml -o requirements/gateway.txt

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml
	$(call install,demo)

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml
	$(call install,dev)
	@touch $(VENV)/demo.stamp

clean:
	rm -rf out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf model_repository/*/[0-9]* model_repository/*/warmup
