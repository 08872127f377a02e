# demo, test, check, bench, soak, proto: nothing else to learn.
PYTHON ?= python3
PERSONS ?= 5000
BIN := .venv/bin
STUBS := nodes/cloison/v1
STAMP := .venv/.installed

.PHONY: demo test check bench soak proto lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	$(BIN)/python deploy/local/demo.py --persons $(PERSONS)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak"

soak: $(STAMP)
	$(BIN)/python -m pytest -m soak --timeout 7200

bench: $(STAMP)
	$(BIN)/python -m tests.bench.run $(SECTIONS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy nodes/cloison tests deploy
	PYTHONPATH=nodes $(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint
	@rm -rf .proto-check && mkdir .proto-check
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -I protos --python_out=.proto-check --grpc_python_out=.proto-check --mypy_out=quiet:.proto-check --mypy_grpc_out=quiet:.proto-check protos/cloison/v1/*.proto
	diff -r --exclude=__init__.py --exclude=__pycache__ .proto-check/cloison/v1 $(STUBS)
	@rm -rf .proto-check
	$(BIN)/cloison law check
	$(BIN)/cloison law test
	$(BIN)/cloison law coverage
	$(BIN)/cloison law prove

proto: $(STAMP)
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -I protos --python_out=nodes --grpc_python_out=nodes --mypy_out=quiet:nodes --mypy_grpc_out=quiet:nodes protos/cloison/v1/*.proto

# Pins every dependency with its hashes; run after a change in pyproject.toml.
lock:
	$(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --extra dev --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml
