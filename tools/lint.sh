#!/bin/sh
# clang-tidy (.clang-tidy) over the sources that the release build compiles, two at a time, and clang-format over all
# sources. Prints what they find; the last line counts the two: "2 passed, 0 failed, 0 skipped".
# Usage: tools/lint.sh [FILE...]  (a few sources)
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

# shellcheck disable=SC2086
install_packages $build_packages $test_packages $lint_packages
build release # sources that are made, and compile_commands.json
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

if [ $# -gt 0 ]; then
    printf '%s\n' "$@" >"$log.files"
else
    sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/release/compile_commands.json | grep -v '/build/' | sort -u >"$log.files"
fi
failed=0
# Its own counts ("12 warnings generated") go to standard error, with what it says of the options of another compiler.
xargs -P 2 -n 6 clang-tidy -p build/release --quiet --extra-arg=-Wno-unknown-warning-option \
    <"$log.files" >"$log" 2>"$log.errors" || true
findings="$(grep -cE ': (warning|error): ' "$log" || true)"
cat "$log"
grep -E 'error:|rror while|rror reading' "$log.errors" && failed=1
echo "clang-tidy: $(wc -l <"$log.files") sources, $findings findings"
[ "$findings" -eq 0 ] || failed=1

git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format --dry-run >"$log" 2>&1 || true
findings="$(grep -c 'warning:' "$log" || true)"
cat "$log"
echo "clang-format: $(git ls-files '*.c' '*.h' '*.cpp' | wc -l) sources, $findings findings"
[ "$findings" -eq 0 ] || failed=$((failed + 1))
rm -f "$log.files" "$log.errors"
echo "$((2 - failed)) passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
