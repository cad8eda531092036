#!/bin/sh
# Builds the fuzzers (preset fuzz, clang) and runs each for SECONDS, two at a time. The last line says how many
# found nothing ("passed") and how many something ("failed"); inputs that broke one are left in build/fuzz/found.
# Usage: tests/fuzz/run.sh [SECONDS [TARGET...]]
set -eu
cd "$(dirname "$0")/../.."
. tools/packages.sh
seconds="${1:-60}"
[ $# -gt 0 ] && shift
# shellcheck disable=SC2086
install_packages $build_packages $fuzz_packages
build fuzz fuzzers
if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do set -- "$@" "$(basename "$source" .c)"; done
fi
work=build/fuzz/work
found=build/fuzz/found
mkdir -p "$work" "$found"

# fuzz TARGET: starts from tests/fuzz/corpus/TARGET; what it finds stays in the build folder.
fuzz() {
    mkdir -p "$work/$1"
    seeds="tests/fuzz/corpus/$1"
    [ -d "$seeds" ] || seeds=""
    # shellcheck disable=SC2086
    if "build/fuzz/$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -malloc_limit_mb=2000 \
        -print_final_stats=1 -artifact_prefix="$found/$1-" "$work/$1" $seeds >"$work/$1.log" 2>&1; then
        echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1.log") inputs in $seconds s, nothing found"
    else
        tail -n 40 "$work/$1.log"
        echo "$1: FAILED; the input is in $found"
        echo "$1" >>"$work/failed"
    fi
}

rm -f "$work/failed"
total=0
while [ $# -gt 0 ]; do
    total=$((total + ($# > 1 ? 2 : 1)))
    fuzz "$1" &
    first=$!
    if [ $# -gt 1 ]; then
        fuzz "$2" &
        wait $!
        shift
    fi
    wait "$first"
    shift
done
failed=0
[ -e "$work/failed" ] && failed=$(wc -l <"$work/failed")
echo "$((total - failed)) passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
