#!/usr/bin/env bash
# The tests use a real PostgreSQL, a real browser, a second verifier of signatures (mailauth, on Node) and a second
# opinion on our HTML (html-validate, on Node). Found: fine. Missing and we are root on Debian or Ubuntu: installed; what
# runs on Node wherever npm is. Otherwise the tests that need them are skipped, and this says so loudly.
set -uo pipefail
venv="${VENV:-.venv}"
mailauth=4.13.3 # the newest that runs on Node 20
htmlvalidate=9.7.1 # the same

has_postgres() {
  [ -n "${DIGEST_TEST_PG:-}" ] || command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
has_chromium() { [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null; }
has_node() {
  command -v node >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 2018 ? 1 : 0)'
}
has_mailauth() { grep -qs "\"version\": \"$mailauth\"" "$venv/mailauth/node_modules/mailauth/package.json"; }
has_htmlvalidate() { grep -qs "\"version\": \"$htmlvalidate\"" "$venv/html-validate/node_modules/html-validate/package.json"; }

# Install one package of npm into a folder of its own below the environment.
from_npm() {
  printf 'Installing for the tests: %s\n' "$2" >&2
  mkdir -p "$venv/$1"
  npm install --prefix "$venv/$1" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error "$2" >&2
}

wanted=()
has_postgres || wanted+=(postgresql)
has_chromium || wanted+=(chromium fonts-liberation)
if [ ${#wanted[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  printf 'Installing for the tests: %s\n' "${wanted[*]}" >&2
  log=$(mktemp)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1 ||
    tail -5 "$log" >&2
  rm -f "$log"
fi
if has_node && command -v npm >/dev/null; then
  has_mailauth || from_npm mailauth "mailauth@$mailauth"
  has_htmlvalidate || from_npm html-validate "html-validate@$htmlvalidate"
fi

failed=0
if ! has_postgres; then
  printf '\n*** PostgreSQL is missing: every test on it is SKIPPED.\n*** Enable: install the postgresql package, or set DIGEST_TEST_PG=postgresql+psycopg://user:password@host/database\n' >&2
  failed=1
fi
if ! has_chromium; then
  printf '\n*** Chromium is missing: every browser test is SKIPPED.\n*** Enable: install the chromium package, or set CHROMIUM=/path/to/browser\n' >&2
  failed=1
fi
if ! has_mailauth; then
  printf '\n*** mailauth is missing: signatures are checked by one verifier only, the second is SKIPPED.\n*** Enable: install Node 20.18 or newer and npm, then run make machine again\n' >&2
  has_node && failed=1
fi
if ! has_htmlvalidate; then
  printf '\n*** html-validate is missing: our HTML is checked by our own eyes only, its second opinion is SKIPPED.\n*** Enable: install Node 20.18 or newer and npm, then run make machine again\n' >&2
  has_node && failed=1
fi
[ "${CI:-}" = true ] && [ $failed = 1 ] && { echo 'error: CI needs them' >&2; exit 1; }
exit 0
