#!/bin/bash
# Making the pocket agents: the same seed gives the same bytes, whatever the threads and the interruptions.
set -eu
pbt=$PBT_BINARY
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

make() { "$pbt" pocket train --quiet --agent b --seed 3 --steps 3 --batch 4 "$@"; }

make --threads 1 --output_dir "$folder/one"
make --threads 2 --output_dir "$folder/two"
make --output_dir "$folder/again"
make --output_dir "$folder/again"
for file in model.safetensors config.json tokenizer.json tokenizer_config.json chat_template.jinja; do
    cmp "$folder/one/$file" "$folder/two/$file"
    cmp "$folder/one/$file" "$folder/again/$file"
done
"$pbt" pocket train --quiet --agent b --seed 4 --steps 3 --batch 4 --output_dir "$folder/other"
if cmp -s "$folder/one/model.safetensors" "$folder/other/model.safetensors"; then
    echo "another seed gave the same model" >&2
    exit 1
fi

# Both agents, and a look at what they were shown.
"$pbt" pocket make --quiet --steps 2 --batch 4 --output_dir "$folder/both"
[ -s "$folder/both/agent-a/model.safetensors" ] && [ -s "$folder/both/agent-b/model.safetensors" ]
"$pbt" model inspect "$folder/both/agent-a" | grep -q float16
[ "$("$pbt" pocket corpus --count 5 --step 3000 --json | wc -l)" -eq 5 ]
cmp <("$pbt" pocket corpus --count 5 --step 3000) <("$pbt" pocket corpus --count 5 --step 3000)

# Wrong words get a sentence.
if "$pbt" pocket bake --output_dir "$folder/x" 2>"$folder/error"; then exit 1; fi
grep -q 'found "bake"' "$folder/error"
