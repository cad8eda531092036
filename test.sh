#!/bin/sh
# Builds pbt and runs all tests. The last line says how many passed and failed. Arguments go to ctest
# (./test.sh -R tensor).
set -eu
cd "$(dirname "$0")"
. tools/packages.sh

# shellcheck disable=SC2086
install_packages $build_packages $test_packages
build release
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
status=0
ctest --preset release --no-tests=error -j 2 "$@" </dev/null >"$log" 2>&1 || status=$?
cat "$log"
# "98% tests passed, 1 tests failed out of 60"
failed="$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\1/p' "$log")"
total="$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\2/p' "$log")"
echo "$((${total:-0} - ${failed:-0})) passed, ${failed:-0} failed"
exit "$status"
