#!/bin/bash
# The table of settings in docs/EXPERIMENTS.md is what the program says.
set -u
pbt="${PBT_BINARY:?}"
page="${PBT_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}/docs/EXPERIMENTS.md"
if ! diff <(sed '1,/^<!-- settings -->$/d' "$page") <("$pbt" run --list_settings --markdown); then
    echo "FAILED: docs/EXPERIMENTS.md is behind; replace what stands under <!-- settings --> by the output of"
    echo "pbt run --list_settings --markdown"
    exit 1
fi
echo "all passed"
