# The commands of a working day, in an activated virtual environment; see CONTRIBUTING.md.

.PHONY: setup style types test test-all coverage

setup:
	python -m pip install -e '.[test]'
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --no-package-lock --prefix tests/browser; fi

style:
	ruff check .
	ruff format --check .

types:
	mypy --strict server handlers runners

test:
	python -m pytest

test-all: test
	python -m pytest -n 0 -m "slow and not long"

# In this process only: what runs in the server's children is tested, but not counted.
coverage:
	python -m pytest tests/unit tests/contract tests/integration --cov --cov-report=term:skip-covered
