# Fairgate. `make` lists the commands.

# Variables on the command line (make run PORT=9000 FAIRGATE_HOLD_SECONDS=5) reach the commands as environment variables.
.DEFAULT_GOAL := help
# Python keeps the files that it has compiled: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run shots plan apply status test test-all proof coverage check audit format docs bench scale package deploy emulate admin release clean \
	check-types check-template check-imports check-pages check-style check-openapi audit-python audit-npm

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/installed-to-run
STAMP := $(VENV)/installed
PIP := $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --no-input
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))

help:
	@echo "make run       start everything on this machine: http://127.0.0.1:8000"
	@echo "                 PORT=9000              use another port (0: any free port)"
	@echo "                 DATA=folder            keep the data in another folder (default: .data)"
	@echo "                 BOOTSTRAP_FILE_PATH=f  put other bootstrap files on sale (f:g:h)"
	@echo "                 RESET=1                delete the data in that folder first"
	@echo "                 RELOAD=1               restart after each edit of the code or the bootstrap file"
	@echo "                 FAIRGATE_<NAME>=value  change a setting; docs/settings.md lists them all"
	@echo "                 .env                   set any of these for every run (example: .env.example)"
	@echo "make plan      show what the bootstrap file would change in the local run, and how many tickets are sold or on hold"
	@echo "make apply     put the bootstrap file on sale; ask before closing or shrinking something (YES=1: do not ask)"
	@echo "make status    show which version of the catalog is on sale, since when, and who applied it"
	@echo "                 STAGE=dev              all three: for a deployed stage instead (DATA=folder: for the run with that folder)"
	@echo "                 FILES='a.json b.json'  other files than bootstrap/bootstrap-tickets.json and, in a local run, its demo"
	@echo "make test      run the tests, without the slow ones (about six minutes)"
	@echo "                 ARGS='-k name'         run some of all tests instead (ARGS='-n 0': in one process)"
	@echo "make test-all  run all tests, with fresh random seeds, on both engines (30 minutes)"
	@echo "                 SEED=number            repeat the run that printed this seed"
	@echo "make proof     try every flow with every fault, races, a model in every order, a day, histories, mistakes (20 minutes)"
	@echo "make coverage  run the tests of make test, and list the lines of the product that no test reaches (12 minutes)"
	@echo "make shots     take pictures of every page and state: phone and desktop, light and dark, other languages; into .build/shots"
	@echo "make check     check format, lint, types (Python and TypeScript), modules loaded per function, template and licenses"
	@echo "make audit     look for known vulnerabilities of the Python and npm packages (needs a network and npm)"
	@echo "make format    format the files and fix what the linter can fix"
	@echo "make docs      write the generated tables of the documentation (settings, errors, routes, ...) and the functions' policies"
	@echo "make bench     measure the figures of docs/performance.md (three minutes) and write bench/results/latest.md"
	@echo "make scale     simulate large shops and sales; fail if a figure misses its bound (docs/performance.md; half an hour)"
	@echo "make package   build the package for AWS in .build/<stage>/ (STAGE=dev or STAGE=prod; default: dev)"
	@echo "                 ARCH=x86_64            build for these processors instead of arm64"
	@echo "                 SNAPSTART=on           start instances from a snapshot (docs/deployment.md)"
	@echo "make deploy    deploy a stage to AWS: STAGE=dev AWS_REGION=eu-central-1 (docs/deployment.md)"
	@echo "                 DRY_RUN=1              only show the steps; needs no AWS account"
	@echo "                 YES=1                  change the stack and the catalog without asking"
	@echo "                 SKIP='check test'      skip steps: check, test, package"
	@echo "                 BUCKET=name            use this bucket for packages, instead of creating one"
	@echo "make emulate   deploy the package to an emulated AWS on this machine and sell a ticket there (STAGE=dev)"
	@echo "                 FROM=revision          first deploy that revision and sell there, then upgrade it (needs the git history)"
	@echo "                 MIXED=1                with FROM: let both versions sell an event at the same time, as during a release"
	@echo "make admin     make a person an admin of a deployed stage: STAGE=dev AWS_REGION=eu-central-1 EMAIL=ada@example.com"
	@echo "make release   save a stage, check, test, commit and tag a version with the unreleased changes of CHANGELOG.md: VERSION=1.2.0"
	@echo "               .venv/bin/fairgate has all commands for operators, with help and completion (docs/command-line.md)"
	@echo "make clean     delete the Python environment and all build output, but not the data"

# docs/command-line.md has these commands with all their options.
STAGE_OPTION = $(if $(STAGE),--stage $(STAGE))

run: $(RUN_STAMP)
	@exec $(BIN)/fairgate run

plan apply: $(RUN_STAMP)
	@case "$(YES)" in ""|0|1) ;; *) echo "YES must be 1 (do not ask) or 0, not '$(YES)'" >&2; exit 2 ;; esac
	@$(BIN)/fairgate $(STAGE_OPTION) $@ $(if $(filter 1,$(YES)),$(if $(filter apply,$@),--yes)) $(FILES)

status: $(RUN_STAMP)
	@$(BIN)/fairgate $(STAGE_OPTION) status

# docs/testing.md says what these commands run.
SHORT := -m "not slow" --seeds=1

test: $(STAMP)
	@$(BIN)/python -m infra.web
	@$(BIN)/python -m pytest -n auto --dist worksteal $(if $(ARGS),$(ARGS),$(SHORT))

# Features of the core, which must not rely on an add-on.
WITHOUT_ADDONS := $(addprefix tests/,accounts admin catalog changes checkin privacy)

test-all: $(STAMP)
	@$(BIN)/python -m infra.web
	@$(BIN)/python -m pytest -n auto --dist worksteal --seed=$(or $(SEED),fresh) --store=both $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m pytest -n auto --addons=none $(WITHOUT_ADDONS))

proof: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal --proof=all tests/proof $(ARGS)

coverage: $(STAMP)
	@$(BIN)/python -m infra.web
	@$(BIN)/python -m pytest -n auto --dist worksteal $(SHORT) --cov --cov-report=term:skip-covered $(ARGS)

shots: $(STAMP)
	@$(BIN)/python -m infra.web
	@mkdir -p .build/shots
	@SHOTS=.build/shots $(BIN)/python -m pytest -n auto tests/browser/test_pages.py tests/browser/test_door.py tests/browser/test_door_camera.py
	@echo "The pictures are in .build/shots."

# Two at a time, the longest first, where make can keep their outputs apart (GNU make 4). One run names all that is wrong.
check: $(STAMP)
	@$(MAKE) --no-print-directory --keep-going $(if $(filter output-sync,$(.FEATURES)),-j2 --output-sync=target) \
		check-types check-template check-imports check-pages check-style check-openapi

check-types:
	@$(BIN)/mypy

check-template:
	@$(BIN)/python -m infra.lint

check-imports:
	@$(BIN)/python -m infra.package --imports-only

check-pages:
	@$(BIN)/python -m infra.web --check

check-style:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

check-openapi:
	@$(BIN)/python -m infra.openapi --check

# pip-audit has an environment of its own, so it audits exactly what the product and its tests install.
AUDIT := .build/audit
NPM_LOCKS := web tests/browser bench/lighthouse

audit:
	@$(MAKE) --no-print-directory --keep-going audit-python audit-npm

audit-python: $(STAMP)
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit==2.9.0
	@$(AUDIT)/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

audit-npm:
	@failed=; for folder in $(NPM_LOCKS); do echo "$$folder:"; (cd $$folder && npm audit --package-lock-only) || failed=1; done; test -z "$$failed"

format: $(STAMP)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: $(STAMP)
	@$(BIN)/python -m infra.docs
	@$(BIN)/python -m infra.chalice_package

bench: $(STAMP)
	@$(BIN)/python -m bench.run

scale: $(STAMP)
	@$(BIN)/python -m bench.scale $(ARGS)

package: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m infra.package

deploy: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/fairgate deploy

emulate: $(STAMP)
	@$(BIN)/python -m infra.emulation

admin: $(STAMP)
	@test -n "$(STAGE)" && test -n "$(EMAIL)" || \
		{ echo "Name the stage and the email address: make admin STAGE=dev AWS_REGION=eu-central-1 EMAIL=ada@example.com" >&2; exit 2; }
	@$(BIN)/fairgate $(STAGE_OPTION) admin $(ARGS) "$(EMAIL)"

release: $(STAMP)
	@VERSION="$(VERSION)" $(BIN)/python -m infra.release

clean:
	rm -rf $(VENV) .build web/node_modules tests/browser/node_modules bench/lighthouse/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage*

# A run needs a third of the packages for development, so people who only try Fairgate wait less.
$(RUN_STAMP): requirements.txt requirements-run.txt constraints.txt
	$(call prepare,requirements-run.txt,about a minute)
	@touch $@

$(STAMP): requirements.txt requirements-run.txt requirements-dev.txt constraints.txt
	$(call prepare,requirements-dev.txt,about two minutes)
	@touch $(RUN_STAMP) $@

# Without a network pip reports a conflict of versions, because it finds none.
define SAY_WHY
	if grep -q 'Retry(total=0.*connection broken' $(VENV)/errors; \
	then echo "The packages could not be downloaded, because the Python package index does not respond. Check the network and run the command again. pip's output is in $(VENV)/errors."; \
	else cat $(VENV)/errors; echo "The packages could not be installed. Fix the error above and run the command again."; fi
endef

define prepare
	@test -n "$(PYTHON)" || { echo "Fairgate needs Python 3.11 or later; none was found. Install it, or name its path: make run PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Fairgate needs Python 3.11 or later; $(PYTHON) is older or missing. Name a newer one: make run PYTHON=/path/to/python3"; exit 1; }
	@echo "Preparing the Python environment in $(VENV) ($(2), once) ..."
	@$(PYTHON) -m venv $(or $(realpath $(VENV)),$(VENV)) || { echo "Python cannot create a virtual environment, because its module venv is missing. On Debian and Ubuntu: sudo apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@{ $(PIP) --quiet -c constraints.txt pip setuptools wheel && $(PIP) -r $(1); echo $$? >$(VENV)/status; } 2>$(VENV)/errors | \
		awk '/^Collecting/ { printf "."; fflush() } END { print "" }'
	@test "$$(cat $(VENV)/status)" = 0 || { $(SAY_WHY); exit 1; }
	@cp infra/fairgate $(BIN)/fairgate
endef
