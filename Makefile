# Two commands matter: `make demo` and `make test`. Neither needs root, a broker, Docker or Node.
PYTHON ?= python3
PORT ?= 8000
PATIENTS ?= 12
PYTEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
NEEDED_KIB := 4000000
BENCHMARKS := $(filter-out __init__ __pycache__,$(basename $(notdir $(wildcard benchmarks/*.py))) $(notdir $(patsubst %/__main__.py,%,$(wildcard benchmarks/*/__main__.py))))

.PHONY: help demo test install bench pictures lint types check sbom audit clean

help:
	@echo "make demo     start the ward on http://127.0.0.1:$(PORT)/ (PORT=8001 for another port, PATIENTS=30 for a larger ward)"
	@echo "make test     run all tests"
	@echo "make bench    run every benchmark, quickly"
	@echo "make check    lint, types, import contracts, migrations"
	@echo "make sbom     build/sbom.json: everything installed, as CycloneDX, with licences checked"
	@echo "make audit    known weaknesses of the pinned packages (ADVISORIES=osv.json: without the internet)"
	@echo "make install  set up .venv and nothing else"

demo: install
	@exec $(BIN)/python manage.py demo --port $(PORT) --patients $(PATIENTS)

test: install
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

install: $(VENV)/.installed

# torch first and alone: a plain request by another package would pull its CUDA build, several gigabytes.
$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing: install it (Debian, Ubuntu: apt install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Medtwin needs Python 3.11 or newer; name one with PYTHON=python3.12."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	@free=$$(df -Pk . | awk 'NR==2 {print $$4}'); if [ "$$free" -lt $(NEEDED_KIB) ] && [ ! -e $(BIN)/django-admin ]; then \
	  echo "The disk is nearly full: setting up needs 4 GB here and $$((free / 1000000)) GB are free."; exit 1; fi
	@echo "Setting up $(VENV): two to five minutes the first time."
	@$(PYTHON) -m venv $(VENV) || { echo "Could not create $(VENV): is the folder writable and the disk not full?"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[server,dev]" \
	  || { echo "Installing the pinned packages failed (see above): is the package index reachable and the disk not full?"; exit 1; }
	@touch $@

bench: install
	@failed=0; for name in $(BENCHMARKS); do \
	  echo; $(BIN)/python -m benchmarks.$$name --quick; status=$$?; \
	  case $$status in 0) ;; 2) echo "($$name: something it needs is absent)";; *) failed=1;; esac; done; exit $$failed

pictures: install
	@MEDTWIN_PICTURES=docs/images $(BIN)/python -m pytest tests/system/pictures.py -q

lint: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install
	@$(BIN)/mypy

check: lint types
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

sbom: install
	@$(BIN)/python -m compliance.supply.sbom build/sbom.json

audit: install
	@$(BIN)/python -m compliance.supply.audit $(if $(ADVISORIES),--advisories $(ADVISORIES))

clean:
	rm -rf $(VENV) var build *.egg-info
