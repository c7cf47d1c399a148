#!/usr/bin/env bash
# Make the virtual environment: hashes checked, project installed in place. Every failure names its remedy.
set -euo pipefail
python="${PYTHON:-python3}"
venv="${VENV:-.venv}"

fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "there is no $python; install Python 3.11 or newer, or call make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old; install Python 3.11 or newer, or call make PYTHON=python3.12"
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv" 2>/dev/null || {
    rm -rf "$venv"
    fail "$python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"
  }
fi
printf 'Setting up %s (once; about a minute)\n' "$venv" >&2
if command -v uv >/dev/null; then
  uv pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements/dev.lock
else
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.lock
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
