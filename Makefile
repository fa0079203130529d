# Fairgate. `make` lists the commands.

# Variables on the command line (make run PORT=9000 FAIRGATE_HOLD_SECONDS=5) reach the commands as environment variables.
.DEFAULT_GOAL := help
.PHONY: help run test check format bench package clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PIP := $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --no-input
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))

help:
	@echo "make run       start everything on this machine: http://127.0.0.1:8000"
	@echo "                 PORT=9000              use another port (0: any free one)"
	@echo "                 DATA=folder            keep the data in another folder (default: .data)"
	@echo "                 RESET=1                delete the data in that folder first"
	@echo "                 FAIRGATE_<NAME>=value  change a setting; docs/settings.md lists them all"
	@echo "make test      run all tests on all cores (ARGS='-k name': some of them; ARGS='-n 0': in one process)"
	@echo "make check     check format, lint, types, layers, and what each function loads"
	@echo "make format    format the files and fix what the linter can fix"
	@echo "make bench     take the measures of docs/performance.md (three minutes); writes bench/results/latest.md"
	@echo "make package   build what is deployed to AWS into .build/<stage>/ (STAGE=dev or STAGE=prod; default: dev)"
	@echo "                 ARCH=x86_64            for these processors instead of arm64"
	@echo "                 SNAPSTART=on           start instances from a snapshot (docs/operations.md)"
	@echo "make clean     delete the Python environment and everything that was built; the data stays"

run: $(STAMP)
	@exec $(BIN)/python -m infra.local

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m infra.package --imports-only

format: $(STAMP)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(STAMP)
	@$(BIN)/python -m bench.run

package: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m infra.package

clean:
	rm -rf $(VENV) .build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage*

$(STAMP): requirements.txt requirements-dev.txt constraints.txt
	@test -n "$(PYTHON)" || { echo "Fairgate needs Python 3.11 or later; none was found. Install it, or say where it is: make run PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Fairgate needs Python 3.11 or later; $(PYTHON) is older or missing. Say where a newer one is: make run PYTHON=/path/to/python3"; exit 1; }
	@echo "Preparing the Python environment in $(VENV) (about a minute, once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot create environments here, because its module venv is missing. On Debian and Ubuntu: sudo apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@{ $(PIP) --quiet -c constraints.txt pip setuptools wheel && $(PIP) -r requirements-dev.txt; echo $$? >$(VENV)/status; } 2>$(VENV)/errors | \
		awk '/^Collecting/ { printf "."; fflush() } END { print "" }'
	@test "$$(cat $(VENV)/status)" = 0 || { cat $(VENV)/errors; echo "The packages could not be installed; the reason is above. Check the network and run the command again."; exit 1; }
	@touch $@
