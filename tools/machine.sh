#!/usr/bin/env bash
# The tests use a real PostgreSQL and a real browser. Found: fine. Missing and we are root on Debian or Ubuntu:
# installed. Otherwise the tests that need them are skipped, and this says so loudly.
set -uo pipefail

has_postgres() {
  [ -n "${DIGEST_TEST_PG:-}" ] || command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
has_chromium() { [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null; }

wanted=()
has_postgres || wanted+=(postgresql)
has_chromium || wanted+=(chromium fonts-liberation)
[ ${#wanted[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  printf 'Installing for the tests: %s\n' "${wanted[*]}" >&2
  log=$(mktemp)
  if { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -5 "$log" >&2
fi
if ! has_postgres; then
  printf '\n*** PostgreSQL is missing: every test on it is SKIPPED.\n*** Enable: install the postgresql package, or set DIGEST_TEST_PG=postgresql+psycopg://user:password@host/database\n' >&2
fi
if ! has_chromium; then
  printf '\n*** Chromium is missing: every browser test is SKIPPED.\n*** Enable: install the chromium package, or set CHROMIUM=/path/to/browser\n' >&2
fi
[ "${CI:-}" = true ] && { echo 'error: CI needs both' >&2; exit 1; }
exit 0
