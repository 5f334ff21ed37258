# Every target makes .venv itself and installs only when the dependencies changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT := out/demo
CASES ?= 10000
SEED ?= 0
WORKERS ?= auto
BENCHMARKS := build_speed kernel_share memory rebuild engines

# A process for each core, which computes with one thread. Where a file's tests share much, one process takes them all.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist

# Threads that wait without spinning: several times faster on a busy machine, no slower on a free one.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-families test-long test-lowest interop comparison check fix bench fuzz docs dist test-wheel install clean

install: $(STAMP)

# Without --no-compile, pip would compile some 30,000 files that are never imported.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[all,dev,docs]'
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/python samples/demo.py $(OUT)

test: $(STAMP)
	$(TEST) loadfile

# What takes minutes each: several processes, installations of hooks, more kills.
test-long: $(STAMP)
	$(TEST) loadfile -m long

# Every family with every kind of rows, trained, resumed, evaluated and merged; `make test` runs one cell of six.
test-families: $(STAMP)
	$(TEST) load -m '' tests/vlmtrain/families

# The tests of vlmdata with the oldest versions that it says it works with, in an environment of their own.
LOWEST := .venv-lowest
TOOLS := pytest pytest-timeout pytest-xdist hypothesis markdown-it-py openpyxl scikit-learn selenium webdataset
test-lowest: $(LOWEST)/.installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile tests/vlmdata tests/test_samples.py

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	echo '*' > $(LOWEST)/.gitignore
	$(LOWEST)/bin/python -m pip install --quiet --no-compile --constraint constraints-lowest.txt --editable '.[excel,gemini,gemini-legacy,heic,language,openai]' $(TOOLS)
	@touch $@

# What a release consists of: the wheel is made from the sdist.
dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# Every sample and the tests with the wheel, in environments that hold nothing of this checkout.
test-wheel: $(STAMP)
	$(BIN)/python -m pytest -m 'wheel or long or slow' tests/e2e/test_wheel.py tests/e2e/test_packaging.py

# What is exported, read by the loaders of those who receive it: each project in an environment of its own.
INTEROP := .venv-interop
interop: $(STAMP) $(INTEROP)/llamafactory/.installed $(INTEROP)/swift/.installed $(INTEROP)/oumi/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m '' tests/interop

$(INTEROP)/llamafactory/.installed: PACKAGES := torch==2.14.1 torchvision==0.29.1 llamafactory==0.9.5
$(INTEROP)/swift/.installed: PACKAGES := torch==2.14.1 torchvision==0.29.1 ms-swift==4.6.0 qwen-vl-utils==0.0.14
$(INTEROP)/oumi/.installed: PACKAGES := oumi==0.9
$(INTEROP)/%/.installed:
	$(PYTHON) -m venv $(INTEROP)/$*
	echo '*' > $(INTEROP)/.gitignore
	$(INTEROP)/$*/bin/python -m pip install --quiet --no-compile $(PACKAGES)
	@touch $@

# What docs/comparison.md says of other projects, looked up in their packages, which pip downloads and nothing installs.
comparison: $(STAMP)
	$(BIN)/python benchmarks/comparison.py

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_import_cost.py

fix: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

# Damaged inputs of every kind, each built and judged; a number that fails is run again with --case.
fuzz: $(STAMP)
	$(BIN)/python -m tests.vlmdata.fuzzing --cases $(CASES) --seed $(SEED)

# The pages, as a site to be opened from the disk: out/docs/index.html. A warning, such as a dead link, is an error.
docs: $(STAMP)
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs out/docs
	@echo "-> out/docs/index.html"

clean:
	rm -rf $(VENV) $(INTEROP) $(LOWEST) out
