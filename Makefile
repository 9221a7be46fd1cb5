# `make rollout` and `make test` need nothing but Python >= 3.11 and make: they create .venv, install the pinned
# packages once, and see to a GL library. Override the interpreter with PYTHON=python3.12, pip's arguments with PIP_ARGS=...

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)
GL_LINE := apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri
WORKERS ?= 2

.PHONY: help setup gl rollout test lint reference proof nano nano_house images clean

help:
	@echo "make rollout   VIMA episodes with the packaged policy: table, videos, dataset, page"
	@echo "make test      the tests (under 30 minutes on two cores)"
	@echo "make lint      ruff check and ruff format --check"
	@echo "make reference  pages of the public names, in build/reference"
	@echo "make proof     the long checks; their tables go to docs/proof/"
	@echo "make nano      the packaged model's training from nothing (docs/nano.md)"
	@echo "make nano_house  that of the packaged walker (docs/nano_house.md)"
	@echo "make images    the pictures of the README and docs/, made by our own code"
	@echo "make clean     removes the virtual environment and caches"

setup: gl $(STAMP)

# torch comes first: with it in place, no other package pulls in a second build of it. ai2thor, for tests, comes without
# what it asks for: that is pinned too, but for opencv-python, which needs libGL and which only its video files use.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "no virtual environment could be made; on Debian: apt-get install -y python3-venv"; exit 1; }
	@echo "installing the pinned packages into $(VENV) (a few minutes, once)"
	@$(PIP) --upgrade pip
	@$(PIP) torch==2.13.0
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps ai2thor==5.0.0
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# A bare Debian has no GL library; MuJoCo renders through EGL (Mesa's, or a GPU driver's).
gl:
	@ld=$$(command -v ldconfig || echo /sbin/ldconfig); \
	if ! $$ld -p 2>/dev/null | grep -q 'libEGL\.so\.1' || ! $$ld -p | grep -qE 'libEGL_(mesa|nvidia)'; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing the GL libraries: $(GL_LINE)"; \
			{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(GL_LINE) -qq >/dev/null; } || \
				echo "that failed; rendering needs: $(GL_LINE)"; \
		else echo "no GL library found; rendering needs: $(GL_LINE)"; fi; fi

rollout: setup
	@$(BIN)/uio2 rollout

test: setup
	@$(BIN)/python -m pytest -n $(WORKERS)

lint: $(STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

reference: $(STAMP)
	@cd docs/reference && ../../$(BIN)/mkdocs build --strict --quiet --site-dir ../../build/reference
	@echo "build/reference/index.html"

proof: setup
	@mkdir -p docs/proof
	$(BIN)/python -m tests.proof.lerobot_loads docs/proof/lerobot.md
	$(BIN)/python -m tests.proof.dataset_exports docs/proof/dataset_exports.md
	$(BIN)/python -m tests.proof.oracle_table docs/proof/oracle.md
	$(BIN)/python -m tests.proof.vima_levels docs/proof/vima.md
	$(BIN)/python -m tests.proof.random_vs_nano docs/proof/random_vs_nano.md
	$(BIN)/python -m tests.proof.nano_levels docs/proof/nano_levels.md
	$(BIN)/python -m tests.proof.improvement docs/proof/improvement.md
	$(BIN)/python -m tests.proof.nano_house docs/proof/nano_house.md
	$(BIN)/python -m tests.proof.habitat_experts docs/proof/habitat.md
	$(BIN)/python -m tests.proof.procthor_experts docs/proof/procthor.md
	$(BIN)/python -m tests.proof.house_generator docs/proof/house_generator.md
	$(BIN)/python -m tests.proof.release docs/proof/release.md
	$(BIN)/python -m tests.proof.serving docs/proof/serving.md
	$(BIN)/python -m tests.proof.lerobot_plugins docs/proof/lerobot_plugins.md
	$(BIN)/python -m tests.proof.browser docs/proof/browser.md
	$(BIN)/python -m tests.proof.vla_eval docs/proof/vla_eval.md
	$(BIN)/python -m tests.proof.ablations docs/proof/ablations.md docs/images/ablations.svg
	$(BIN)/python -m tests.proof.optimizers docs/proof/optimizers.md docs/images/optimizers.svg

# The packaged model from nothing: demonstrations on SHARDS processes, then one training run (docs/nano.md, docs/gpu.md).
SHARDS ?= $(shell nproc)
NANO_EPISODES ?= 32500
NANO_TASKS ?= all
NANO_TRAIN ?= steps=12000 optimizer=muon eye_weight=0 recast_share=0.4 recolour_share=0.5
UIO2 ?= $(BIN)/uio2
UIO2_SETUP ?= setup
nano: $(UIO2_SETUP)
	@status=0; jobs=; for i in $$(seq $(SHARDS)); do \
		OMP_NUM_THREADS=1 $(UIO2) collect task=$(NANO_TASKS) level=train episodes=$(NANO_EPISODES) success_only=true \
			shard=$$i/$(SHARDS) output=data/nano/$$i & jobs="$$jobs $$!"; done; \
	for job in $$jobs; do wait $$job || status=1; done; exit $$status
	$(UIO2) train model=nano data=[$$(seq -s, -f 'data/nano/%g' $(SHARDS))] output=runs/nano $(NANO_TRAIN)

# The packaged walker from nothing: walks of the explorer led astray, a first policy, walks that it leads (docs/nano_house.md).
WALKS ?= 60
LED ?= 30
HOUSE_STEPS ?= 700
HOUSE_TRAIN ?= batch_size=48
HOUSE_DATA = data/nano_house
HOUSE_WALK = $(UIO2) collect policy=oracle expert_style=explorer workers=$(WORKERS)
POINTS = $(HOUSE_WALK) env=habitat task=PointNav env_kwargs.size=64 env_kwargs.sensors=[map,route]
OBJECTS = $(HOUSE_WALK) env=procthor task=ObjectNav env_kwargs.size=96 env_kwargs.sensors=[map,route,segmentation]
LEARN = $(UIO2) train eye_steps=0 eye_weight=0 boxes_share=0 learning_rate=0.001 schedule=wsd decay_share=0.4 $(HOUSE_TRAIN)
nano_house: $(UIO2_SETUP)
	@set -e; for level in small medium large; do \
		$(POINTS) level=$$level episodes=$(WALKS) seed=1000000 policy_args.noise=0.08 output=$(HOUSE_DATA)/points_$$level; \
		$(OBJECTS) level=$$level episodes=$(WALKS) seed=1100000 policy_args.noise=0.08 output=$(HOUSE_DATA)/objects_$$level; done
	$(LEARN) model=nano_house data=[$(call house_sets,points objects)] output=runs/nano_house/first steps=$(HOUSE_STEPS)
	@set -e; for level in small medium large; do \
		$(POINTS) level=$$level episodes=$(LED) seed=1200000 policy_args.noise=0.06 policy_args.astray=40 \
			policy_args.by=runs/nano_house/first output=$(HOUSE_DATA)/points_led_$$level; \
		$(OBJECTS) level=$$level episodes=$(LED) seed=1300000 policy_args.noise=0.06 policy_args.astray=20 \
			policy_args.by=runs/nano_house/first output=$(HOUSE_DATA)/objects_led_$$level; done
	$(LEARN) model=runs/nano_house/first data=[$(call house_sets,points objects points_led objects_led)] \
		output=runs/nano_house/second steps=$(HOUSE_STEPS)
space := $(subst ,, )
comma := ,
house_sets = $(subst $(space),$(comma),$(strip $(foreach kind,$(1),$(foreach level,small medium large,$(HOUSE_DATA)/$(kind)_$(level)))))

images: setup
	$(BIN)/python docs/make_images.py
	$(BIN)/python docs/house_images.py
	$(BIN)/python docs/model_figure.py
	$(BIN)/python docs/architecture_figure.py

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info
