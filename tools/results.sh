#!/bin/sh
# The figures of docs/RESULTS.md and docs/results/, made again from nothing but seeds: world 1 with its committed
# models and three seeds, worlds 2 and 3 with agents pretrained here and one seed each. Everything goes on where it
# was interrupted. Under an hour on two cores, most of it pretraining.
#   tools/results.sh [FOLDER]      (runs/results)
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh
folder=${1:-runs/results}
pbt=build/release/pbt
[ -x "$pbt" ] || build release
mkdir -p "$folder" docs/results

# run_world WORLD SEEDS MODELS: the pocket experiment on one world.
run_world() {
    "$pbt" run experiments/pocket.yaml --output_dir "$folder/world-$1" --set "seeds=$2" \
        --set "agents.a.model=$3/agent-a" --set "agents.b.model=$3/agent-b" --set show.debates=0
    "$pbt" pocket gates --json --seed "$1" --models "$3" >"$folder/gates-$1.json"
}

run_world 1 "[1, 2, 3]" pocket/models
for world in 2 3; do
    models="$folder/models-$world"
    [ -s "$models/agent-b/model.safetensors" ] || "$pbt" pocket make --seed "$world" --output_dir "$models"
    run_world "$world" "[$world]" "$models"
done

cp "$folder/world-1/report.json" docs/results/report.json
for world in 1 2 3; do
    cp "$folder/gates-$world.json" "docs/results/gates-$world.json"
    [ "$world" = 1 ] || cp "$folder/world-$world/report.json" "docs/results/world-$world.json"
    cp "$folder/world-$world/report.md" "docs/results/world-$world.md"
done
# The tables stand in RESULTS.md behind this mark, everything before it is written by hand.
mark="<!-- made by tools/results.sh -->"
{
    sed "\|^$mark\$|,\$d" docs/RESULTS.md
    echo "$mark"
    echo
    echo "## Three worlds side by side"
    echo
    echo '```'
    "$pbt" compare "$folder/world-1" "$folder/world-2" "$folder/world-3"
    echo '```'
    echo
    sed '1s/^#.*/# World 1, three seeds/' "$folder/world-1/report.md" | sed 's/^#/##/'
} >"$folder/RESULTS.md"
cp "$folder/RESULTS.md" docs/RESULTS.md
echo "docs/RESULTS.md and docs/results/ are up to date"
