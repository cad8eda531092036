#!/bin/sh
# Builds pbt and runs all tests. The last line says how many passed, failed and were skipped (could not run here).
# Arguments go to ctest (./test.sh -R tensor); --preset asan, as the first, tests that build (CMakePresets.json).
set -eu
cd "$(dirname "$0")"
. tools/packages.sh

preset=release
if [ "${1:-}" = --preset ]; then
    preset="${2:?--preset needs a name}"
    shift 2
fi
# shellcheck disable=SC2086
install_packages $build_packages $test_packages
build "$preset"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
status=0
ctest --preset "$preset" --no-tests=error -j 2 "$@" </dev/null >"$log" 2>&1 || status=$?
cat "$log"
# "98% tests passed, 1 tests failed out of 60", where skipped ones count as passed; they are listed as
# " 3 - tensor/test_fork (Skipped)".
summary='s/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*'
failed="$(sed -n "$summary/\1/p" "$log")"
total="$(sed -n "$summary/\2/p" "$log")"
skipped="$(grep -c '^[[:space:]]*[0-9][0-9]* - .*(Skipped)$' "$log" || true)"
echo "$((${total:-0} - ${failed:-0} - skipped)) passed, ${failed:-0} failed, $skipped skipped"
exit "$status"
