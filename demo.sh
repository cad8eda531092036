#!/bin/sh
# The embedded experiment, from a clean clone to a table: builds pbt and runs the pocket world (one seed, three
# arms) into runs/demo. Interrupted, the same command continues. Arguments go to `pbt run`.
set -eu
cd "$(dirname "$0")"
. tools/packages.sh

echo "1/3 Packages"
# shellcheck disable=SC2086
install_packages $build_packages
echo "2/3 Building (about a minute)"
build release
echo "3/3 Two small models debate real trivia questions, learn from it, and are tested (a few minutes)"
echo
build/release/pbt run experiments/pocket.yaml --set "seeds=[1]" --output_dir runs/demo "$@"
echo
echo "The report: open runs/demo/report.html in a browser (or read report.md). Talk to the trained model:"
echo "  build/release/pbt chat pocket/models/agent-a --adapter runs/demo/seed-1/pbt/adapter"
