# Every target does its own set-up; on a fresh machine `make run` or `make test` is all there is to type.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# A test process per core; a file stays in one, so that what its tests share is made once.
PYTEST := -m pytest -n logical --dist loadfile
DATA   := $(wildcard ../shared/data/humaneval_codegen16b.jsonl)

.DEFAULT_GOAL := help
.PHONY: help setup setup-loop run exec play real test test-user test-slow test-loop lint sanitize fuzz bench bench-full clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# What the native module is built from; a file that is gone or has an old date counts as well.
NATIVE := $(shell find native -path native/tests -prune -o \( -name '*.[ch]' -o -name CMakeLists.txt \) -print | LC_ALL=C sort | xargs sha256sum | sha256sum)
ifneq ($(NATIVE),$(shell cat $(VENV)/.base 2>/dev/null))
$(VENV)/.base: stale
endif
.PHONY: stale

setup: $(VENV)/.base  ## .venv with the sandbox, the engine and the test tools
$(VENV)/.base: pyproject.toml $(wildcard engine/sv_engine/*/__init__.py) Makefile
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1' uv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev -e .
	$(BIN)/python -m compileall -q sandbox engine  # what pip does where it copies; each pool starts from these
	@echo '$(NATIVE)' >$@

setup-loop: $(VENV)/.loop  ## and vLLM, torch and TRL for this machine (several GB)
$(VENV)/.loop: $(VENV)/.base scripts/install.sh
	sh scripts/install.sh
	@touch $@

run: play exec  ## a whole self-play run, then the matrix of a real model's programs

exec: $(VENV)/.base  ## 109 HumanEval problems of CodeGen-16B (a small sample where ../shared is absent)
	$(BIN)/sv-engine exec $(DATA) --out runs/$(if $(DATA),codegen16b,sample) --existing overwrite

play: $(VENV)/.loop  ## self-play of the pocket model, no accelerator needed
	$(BIN)/sv-engine run

MODEL := models/smollm2-135m
REAL  := runs/real$(if $(SHORT),-short)
# The short form is for CI: every phase, a few minutes, nothing to be learnt from its figures.
REAL_SETTINGS := $(if $(SHORT),run.iterations=1 problems.count=8 generate.solutions=4 \
	generate.tests=4 generate.derivations=2 generate.max_tokens=48 recipe.min_solution_samples=1 \
	recipe.min_tests=1 recipe.solutions_per_problem=1 recipe.tests_per_problem=3 \
	recipe.test_pairs_per_problem=1 evaluate.problems=8 evaluate.samples=1 \
	evaluate.k=[1] evaluate.temperatures=[0.8])

real: $(MODEL)  ## SmolLM2-135M learns on this machine: hours, goes on where it was (SHORT=1: minutes)
	@if test -e $(REAL)/journal.sqlite; then $(BIN)/sv-engine run --resume $(REAL); else \
		$(BIN)/sv-engine run smollm2-135m --out $(REAL) $(addprefix --set ,$(REAL_SETTINGS)); fi
	@if $(BIN)/sv-engine report --help >/dev/null 2>&1; then $(BIN)/sv-engine report $(REAL); fi

$(MODEL): $(VENV)/.loop
	@test -d $@ || $(BIN)/sv-engine model smollm2-135m --out $@
	@touch $@

test: $(VENV)/.base  ## every test that this machine can run (those marked `heavy` need `make setup-loop`)
	$(BIN)/python $(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-user: $(VENV)/.base  ## the sandbox's tests as an ordinary user, then without namespaces (from root)
	scripts/as_user.sh $(BIN)/python $(PYTEST) -p no:cacheprovider -m "not slow and not judge" tests/sandbox $(PYTEST_ARGS)
	scripts/as_user.sh --no-namespaces $(BIN)/python $(PYTEST) -p no:cacheprovider \
		-m "not slow and not judge" tests/sandbox $(PYTEST_ARGS)

test-slow: $(VENV)/.base  ## minutes each: benchmarks' own solutions, leaks over 100,000 rows
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

test-loop: $(VENV)/.loop  ## and those that need vLLM, torch and TRL
	$(BIN)/python -m pytest -m heavy $(PYTEST_ARGS)

lint: $(VENV)/.base  ## ruff, mypy --strict, the native module beside its stub
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sv_sandbox._native --allowlist native/stubtest_allowlist.txt
	$(BIN)/mypy --explicit-package-bases --exclude tests/corpus tests bench

sanitize: $(VENV)/.base  ## the C core under AddressSanitizer and UBSan
	cmake -S native -B build/sanitize -DSV_TESTS=ON -DSV_SANITIZE=ON
	MAKEFLAGS= cmake --build build/sanitize --parallel $$(nproc)
	ctest --test-dir build/sanitize --output-on-failure
	cmake -S native -B build/sanitize-extension -DSV_SANITIZE=ON -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	MAKEFLAGS= cmake --build build/sanitize-extension --parallel $$(nproc)
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc $(BIN)/python scripts/sanitized.py \
		build/sanitize-extension/_native.abi3.so tests/sandbox/test_values*.py -q \
		-k "not depth and not allocate and not jail and not memory_that"

FUZZ_S ?= 60
fuzz: $(VENV)/.base  ## codec and link under a coverage-guided fuzzer, for FUZZ_S seconds each
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	for target in codec link; do \
		mkdir -p build/fuzz/$$target && $(BIN)/python tests/fuzz/fuzz_$$target.py \
			-artifact_prefix=build/fuzz/ -max_total_time=$(FUZZ_S) build/fuzz/$$target || exit 1; \
	done

bench: $(VENV)/.base  ## cells per second beside floors and other executors, in one run of five minutes
	$(BIN)/python -m bench.cells --history build/bench-history.jsonl

bench-full: $(VENV)/.base  ## all cases, longer; --peers DIR in BENCH_ARGS for checkouts of peers
	$(BIN)/python -m bench.cells --full --rounds 15 --history bench/results/history.jsonl \
		--out bench/results/cells.json $(BENCH_ARGS)

clean:  ## what set-up and runs have made
	rm -rf $(VENV) build runs models .mypy_cache .ruff_cache .pytest_cache .hypothesis
