# `make demo` and `make test` set up everything they need in .venv; nothing else has to be installed but Python 3.11.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-deps
RUN ?= runs/demo
RUNTIMES := $(basename $(notdir $(wildcard benchmarks/runtimes/requirements/*.txt)))
SWIFTSHADER_SHA256 := 20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0

.PHONY: demo test test-slow lint install lock audit attack apk test-python test-android test-browser test-gpu mediapipe-check runtimes bench-train bench-input bench claims clean

demo: install
	$(PY) train_main.py --flagfile=configs/digits.flags --model_dir=$(RUN)
	$(PY) quantize/export.py --run=$(RUN) --output=$(RUN)/model.tflite
	$(PY) -m mobilevit_tf.predictions --model=$(RUN)/model.tflite --data=digits --output=$(RUN)/predictions.png
	@echo "Open it in the browser: $(PY) demo_app.py --model=$(RUN)/model.tflite"

test: test-python test-android

# PYTEST=--cov measures how much of the code the tests run, and fails below the floor in pyproject.toml.
test-python: install
	$(PY) -m pytest -n 2 --dist loadfile -m "not slow" $(PYTEST)

# Parity and export of the largest models.
test-slow: install
	$(PY) -m pytest -n 2 -m slow $(PYTEST)

test-android: install
	@missing=""; for tool in javac mvn aapt2; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then echo "not run: the Android tests (missing:$$missing)"; \
	else mvn -f android_demo/pom.xml -B -ntp test; fi

# Hostile files, requests, signals and kills, some ten thousand cases; counts of tried and failed at the end. Settings go
# in ATTACK: make attack ATTACK="--kills=6 --part=web".
attack: install
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(PY) -m attack $(ATTACK)

# The preview and the training report in a real browser; needs Chromium on the machine (CHROMIUM=/path for another than /usr/bin/chromium).
test-browser: install .venvs/browser/.ready
	PROJECT_PYTHON=$(CURDIR)/$(PY) .venvs/browser/bin/python -m pytest -q tests/browser/browser_checks.py tests/browser/report_checks.py

# What MediaPipe Tasks answers for the shipped file; in an environment of its own, since it needs another absl.
mediapipe-check: install .venvs/mediapipe/.ready
	.venvs/mediapipe/bin/python benchmarks/mediapipe_check.py models/flowers_xxs_int8.tflite

# Does a GPU take every MobileViT whole? On SwiftShader, which computes on the CPU; needs node and npm. GPU="--models=xxs".
test-gpu: install .venvs/swiftshader/.ready
	VK_ICD_FILENAMES=$(CURDIR)/.venvs/swiftshader/vk_swiftshader_icd.json LD_LIBRARY_PATH=$(CURDIR)/.venvs/swiftshader \
	  $(PY) benchmarks/runtimes/gpu_check.py $(GPU)

# The browser parts that one package of Chromium holds; its SwiftShader alone is taken out.
.venvs/swiftshader/.ready:
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent @sparticuz/chromium@153.0.0 >/dev/null
	cd $(@D) && echo "$(SWIFTSHADER_SHA256)  sparticuz-chromium-153.0.0.tgz" | sha256sum --check --quiet
	cd $(@D) && tar -xzf sparticuz-chromium-153.0.0.tgz package/bin/swiftshader.tar.br && rm sparticuz-chromium-153.0.0.tgz
	cd $(@D) && node -e 'process.stdout.write(require("zlib").brotliDecompressSync(require("fs").readFileSync("package/bin/swiftshader.tar.br")))' | tar -x
	@touch $@

# What eight runtimes make of the int8 files, each in an environment of its own: some GB and half an hour.
runtimes: install $(RUNTIMES:%=.venvs/runtime-%/.ready)
	$(PY) benchmarks/runtimes/compare.py --output=benchmarks/RESULTS.md $(BENCH)

# Training speed against two peers, in their own environment: about ten minutes.
bench-train: install .venvs/bench/.ready
	$(PY) benchmarks/train_speed.py

# Training's input alone, beside Pillow, plain tf.data and timm's loader; BENCH passes settings: BENCH="--only=ours,pillow".
bench-input: install .venvs/bench-input/.ready
	PYTHONPATH=. $(PY) benchmarks/input/input_speed.py $(BENCH)

# What a user would pick instead, side by side; BENCH passes settings: make bench BENCH="--only=accuracy --data_dir=DIR".
bench: install .venvs/bench/.ready
	$(PY) benchmarks/side_by_side.py $(BENCH)

# The paper's claims at small scale, hours of training: make claims DATA_DIR=DIR_WITH_PREPARED_TFDS
claims: install
	$(PY) benchmarks/claims.py $(if $(DATA_DIR),--data_dir=$(DATA_DIR)) --output=benchmarks/RESULTS.md

.venvs/bench/.ready: benchmarks/requirements.txt
.venvs/browser/.ready: tests/browser/requirements.txt
.venvs/lock/.ready: .ci/lock_requirements.txt
.venvs/mediapipe/.ready: benchmarks/mediapipe_requirements.txt
.venvs/bench-input/.ready: benchmarks/input/requirements.txt
$(RUNTIMES:%=.venvs/runtime-%/.ready): .venvs/runtime-%/.ready: benchmarks/runtimes/requirements/%.txt
.venvs/%/.ready:
	"$(PYTHON)" -m venv .venvs/$*
	.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# android_demo/build/mobilevit-demo.apk; MODEL=path.tflite builds the app around another file of this project, and
# ABI="arm64-v8a x86_64" for more processors than a phone's.
apk: install
	$(PY) android_demo/build_apk.py $(if $(MODEL),--model=$(MODEL)) $(foreach abi,$(ABI),--abi=$(abi))

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 is needed and was not found: install it, or name it with 'make PYTHON=/path/to/python3.11'"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@# every file is checked against the lock; --no-deps, since the lock is whole; what builds comes first, from the lock too
	$(PIP) --require-hashes -r <(sed -n '/^\(setuptools\|wheel\)==/,/[^\]$$/p' requirements.lock)
	$(PIP) --require-hashes --no-build-isolation -r requirements.lock
	$(PIP) --no-build-isolation --editable .
	@touch $@

# requirements.txt -> requirements.lock: versions that still fit are kept; make lock UPGRADE=--upgrade-package=NAME
lock: .venvs/lock/.ready
	.venvs/lock/bin/uv pip compile --quiet --no-annotate --custom-compile-command "make lock" $(UPGRADE) \
	  --output-file requirements.lock requirements.txt

# The lock against known advisories: our own list, and those that the package index publishes where it does.
audit: .venvs/lock/.ready
	.venvs/lock/bin/python .ci/audit.py

clean:
	rm -rf $(VENV) .venvs runs/demo
