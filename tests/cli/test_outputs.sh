#!/bin/bash
# What commands write: never what they read, nothing without a name, nothing among the files of others, one process at a
# time, and through what is no file.
set -u
pbt="${PBT_BINARY:?}"
golden="${PBT_TEST_DATA:?}/golden/train"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 XDG_CACHE_HOME="$work/cache"
failures=0

fail() {
    echo "FAILED $*"
    failures=$((failures + 1))
}

# expect CODE TEXT COMMAND...: the exit code, and a text on stderr.
expect() {
    local code="$1" text="$2"
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null
    local found=$?
    if [ "$found" -ne "$code" ] || { [ -n "$text" ] && ! grep -qF -- "$text" "$work/err"; }; then
        fail "pbt ${*:2}: exit code $found (expected $code), no \"$text\" in:"
        cat "$work/err"
    fi
}

# refused TEXT COMMAND...: exit code 2, and not a byte of the folder of inputs is another one.
refused() {
    expect 2 "$@"
    [ "$(contents)" = "$before" ] || { fail "$* changed its inputs"; before="$(contents)"; }
}
contents() { (cd "$work/in" && find . | sort && find . -type f | sort | xargs sha256sum && find . -type l | xargs -r readlink); }

mkdir "$work/in"
cd "$work/in" || exit 1
cp -r "$golden/model" m && cp -r "$golden/adapter" a && chmod -R u+w m a
cp "$golden/dpo.jsonl" "$golden/sft.jsonl" .
cat >trees.jsonl <<'END'
{"question": {"id": "q1", "text": "Which city?", "answers": ["Paris"]}, "nodes": [{"id": 0, "parent": null, "turn": 1, "speaker": "A", "role": "resistant", "text": "London", "answer": "London", "verdict": null}, {"id": 1, "parent": 0, "turn": 2, "speaker": "B", "role": "logical", "text": "Paris", "answer": "Paris", "verdict": null}]}
END
ln -s m linked
ln trees.jsonl same.jsonl
cp -r "${golden%/tests/data/golden/train}/prompts/paper" p
mkdir theirs && echo "years of work" >theirs/thesis.tex && cp m/config.json theirs/
before="$(contents)"

sft=("$pbt" sft --model_name_or_path m --dataset sft.jsonl --max_steps 2 --quiet)
dpo=("$pbt" dpo --model_name_or_path m --dataset dpo.jsonl --max_steps 2 --quiet)
random=("$pbt" model random --like m --quiet)
merge=("$pbt" model merge m --adapter a --quiet)
quantize=("$pbt" model quantize m --quiet)
pairs=("$pbt" pairs --trees trees.jsonl --prompts p)
tokenizer=("$pbt" pocket tokenizer --quiet)
farm=("$pbt" pocket farm --quiet)
data="${golden%/tests/data/golden/train}/pocket/data/questions.jsonl"

# Without a name.
for command in sft dpo random merge quantize tokenizer; do
    declare -n words="$command"
    refused "--output_dir is empty" "${words[@]}" --output_dir ""
    refused "holds files that pbt" "${words[@]}" --output_dir theirs
    refused "expected a folder, found a file" "${words[@]}" --output_dir theirs/thesis.tex
done
refused "--output is empty" "${pairs[@]}" --output ""
refused "--output is empty" "${farm[@]}" --output ""
refused "--output_dir is empty" "$pbt" run pbt:experiments/smoke.yaml --output_dir ""
refused "--export_ref_log_probs is empty" "${dpo[@]}" --output_dir "$work/o" --export_ref_log_probs ""
refused "the name of the run's folder is empty" "$pbt" report ""

# What is read: the folder, a name for it, a folder in it.
for where in m linked ./m/../linked/ m/new; do
    for command in sft dpo random merge quantize; do
        declare -n words="$command"
        refused "an input is never overwritten" "${words[@]}" --output_dir "$where" --overwrite_output_dir
    done
    refused "--model_name_or_path" "${dpo[@]}" --full --output_dir "$where" --overwrite_output_dir
done
refused "--adapter" "${dpo[@]}" --adapter a --output_dir a --overwrite_output_dir
refused "--adapter" "${sft[@]}" --adapter a --output_dir a/b --overwrite_output_dir
refused "--frozen_adapter" "${dpo[@]}" --frozen_adapter a --output_dir a --overwrite_output_dir
refused "--adapter" "${merge[@]}" --output_dir a --overwrite_output_dir
refused "--prompts" "$pbt" pocket train --prompts p --output_dir p --overwrite_output_dir --quiet
refused "--trees" "${pairs[@]}" --output trees.jsonl
refused "--trees" "${pairs[@]}" --output same.jsonl
refused "--prompts" "${pairs[@]}" --output p/standard.txt
cp "$data" questions.jsonl
before="$(contents)"
refused "--questions" "${farm[@]}" --questions questions.jsonl --output questions.jsonl
refused "--dataset" "${dpo[@]}" --output_dir "$work/o" --export_ref_log_probs dpo.jsonl
refused "is a file of --model_name_or_path" "${dpo[@]}" --output_dir "$work/o" --export_ref_log_probs m/config.json
mkdir -p o2 && cp dpo.jsonl o2/metrics.jsonl
before="$(contents)"
refused "would be written over --dataset" "${sft[@]}" --dataset o2/metrics.jsonl --output_dir o2 --overwrite_output_dir
refused "would be written over --dataset" "${sft[@]}" --dataset o2/metrics.jsonl --output_dir o2
[ -e "$work/o" ] && fail "a refused command made its folder"

# Refused before the run begins: models, questions, prompts and experiment of an experiment.
cat >experiment.yaml <<END
name: x
seeds: [1]
agents: {a: {model: m}, b: {model: m}}
prompts: p
questions: {file: questions.jsonl, split: field}
END
before="$(contents)"
refused "agents.a.model" "$pbt" run experiment.yaml --output_dir m --overwrite_output_dir
refused "prompts" "$pbt" run experiment.yaml --output_dir p/run --overwrite_output_dir
for name in '""' '"."' '"../../x"' '"/x"' '"a/../b"'; do
    refused "does not name a folder in runs" "$pbt" run experiment.yaml --set "name=$name"
done
refused "holds files that pbt run did not write" "$pbt" run experiment.yaml --output_dir theirs

# Among the files of others, where that is asked for; then the folder is ours. Of another command it is not.
cp -r theirs shared
expect 0 "" "${dpo[@]}" --output_dir shared --overwrite_output_dir
cmp -s theirs/thesis.tex shared/thesis.tex || fail "a file of others was changed"
expect 0 "" "${dpo[@]}" --output_dir shared
expect 2 "holds what pbt dpo wrote" "${sft[@]}" --output_dir shared
rm shared/checkpoint.pbt
expect 0 "" "${dpo[@]}" --output_dir shared
expect 2 "holds adapter_config.json" "${dpo[@]}" --full --output_dir shared --overwrite_output_dir
expect 2 "holds adapter_config.json" "${random[@]}" --output_dir shared --overwrite_output_dir
expect 0 "" "${random[@]}" --output_dir r
expect 0 "" "${random[@]}" --output_dir r --seed 2
expect 2 "holds what pbt model random wrote" "${merge[@]}" --output_dir r
expect 0 "" "${merge[@]}" --output_dir merged
expect 0 "" "${quantize[@]}" --output_dir quantised
expect 0 "" "${tokenizer[@]}" --output_dir t
[ -e shared/.pbt-output ] && [ -e merged/.pbt-output ] || fail "no marker"

# Every file of the tokenizer comes along.
cp -r m every
files=(tokenizer.model vocab.json merges.txt chat_template.json generation_config.json special_tokens_map.json)
for name in "${files[@]}"; do [ -e "every/$name" ] || echo '{}' >"every/$name"; done
expect 0 "" "$pbt" model random --like every --quiet --output_dir every-random
expect 0 "" "$pbt" model merge every --adapter a --quiet --output_dir every-merged
expect 0 "" "$pbt" model quantize every --quiet --output_dir every-quantised
for folder in every-random every-merged every-quantised; do
    for name in "${files[@]}"; do cmp -s "every/$name" "$folder/$name" || fail "$folder has another $name, or none"; done
done

# A folder that holds the data only is the user's way to keep things together.
mkdir own && cp dpo.jsonl own/
expect 0 "" "${dpo[@]}" --dataset own/dpo.jsonl --output_dir own

# A command that fails leaves no folder.
echo '{"prompt": 1}' >bad.jsonl
expect 3 "bad.jsonl" "$pbt" dpo --model_name_or_path m --dataset bad.jsonl --output_dir never --quiet
[ -e never ] && fail "a failed command left its folder"

# Two at once: the second is refused, and says which process is at work.
"$pbt" dpo --model_name_or_path m --dataset dpo.jsonl --max_steps 1000000 --quiet --output_dir two 2>"$work/first" &
first=$!
for _ in $(seq 600); do [ -s two/metrics.jsonl ] && break; sleep 0.1; done
expect 1 "another pbt (process $first) is writing here" "${dpo[@]}" --output_dir two
kill -9 "$first"
wait "$first" 2>/dev/null
expect 0 "" "${dpo[@]}" --output_dir two --overwrite_output_dir

# What a killed process left of a file goes when the folder is opened again.
mkdir two/checkpoint-7
touch two/checkpoint-7/adapter_model.safetensors.pbt.tmp two/checkpoint.pbt.pbt.tmp two/notes.tmp
expect 0 "" "${dpo[@]}" --output_dir two
[ "$(find two -name '*.tmp')" = two/notes.tmp ] || fail "unfinished files: $(find two -name '*.tmp')"

# Through what is no file: a FIFO, standard output, a symlink.
"${pairs[@]}" --output pairs.jsonl >"$work/table" || fail "pairs"
mkfifo fifo
cat fifo >"$work/piped" &
"${pairs[@]}" --output fifo >/dev/null || fail "pairs to a FIFO"
wait $!
[ -p fifo ] && cmp -s pairs.jsonl "$work/piped" || fail "the FIFO was not written through"
"${pairs[@]}" --output /dev/stdout >"$work/stdout" 2>"$work/err" || fail "pairs to standard output"
cmp -s pairs.jsonl "$work/stdout" || fail "standard output has something else than the pairs"
grep -q "1 trees" "$work/err" || fail "the table is not on standard error"
[ "$("${pairs[@]}" --output /dev/stdout 2>/dev/null | cmp - pairs.jsonl && echo same)" = same ] || fail "a pipe"
"${dpo[@]}" --json --output_dir "$work/ref" --export_ref_log_probs ref.jsonl >/dev/null || fail "export"
"${dpo[@]}" --json --output_dir "$work/ref" --export_ref_log_probs /dev/stdout | cmp - ref.jsonl || fail "export to a pipe"
: >elsewhere.jsonl && ln -s elsewhere.jsonl to.jsonl
"${pairs[@]}" --output to.jsonl >/dev/null || fail "pairs to a symlink"
[ -L to.jsonl ] && cmp -s pairs.jsonl elsewhere.jsonl || fail "the symlink was not followed"

# Single files under the names of pbt's own, in folders that are no input: refused, and not a byte is another one.
mkdir -p kept/run/seed-1 kept/begun && touch kept/run/run.sqlite kept/begun/run.lock && cp -r shared kept/adapter &&
    cp -r r kept/model && cp -r a kept/foreign && rm -f kept/foreign/adapter_model.safetensors
ln -s run/run.sqlite kept/link.jsonl && ln -s "$work/away" kept/run/report.md
cp m/tokenizer.json kept/begun/
before="$(contents)"
for name in run/run.sqlite run/report.json run/report.md run/run.lock run/seed-1/pairs.jsonl begun/run.sqlite link.jsonl \
    ./adapter/../run/run.sqlite; do
    refused "holds a run (it has the file run." "${pairs[@]}" --output "kept/$name"
done
refused "holds a tokenizer" "${pairs[@]}" --output kept/begun/tokenizer.json
refused "holds an adapter" "${pairs[@]}" --output kept/foreign/adapter_model.safetensors
for name in adapter/adapter_model.safetensors adapter/metrics.jsonl adapter/.pbt-output adapter/README.md \
    model/config.json model/tokenizer.json model/report.json; do
    refused "holds what a pbt command wrote" "${pairs[@]}" --output "kept/$name"
done
refused "kept/run holds a run" "${farm[@]}" --output kept/run/run.sqlite
refused "holds a model" "${farm[@]}" --output theirs/model.safetensors
refused "kept/run holds a run" "${dpo[@]}" --output_dir "$work/o" --export_ref_log_probs kept/run/report.json
for name in adapter_config.json ./checkpoint-1/x.jsonl .pbt-output; do
    refused "itself writes into --output_dir" "${dpo[@]}" --output_dir new --export_ref_log_probs "new/$name"
done
for name in run/trees.jsonl run/config.json adapter/pairs.jsonl foreign/report.json; do
    expect 0 "" "${pairs[@]}" --output "kept/$name"
done
cd kept/run && expect 2 "holds a run" "$pbt" pairs --trees ../../trees.jsonl --prompts ../../p --output run.sqlite
cd ../..

# The reason is the permission, whatever else is missing.
mkdir "$work/closed" && chmod 555 "$work/closed" && chmod 755 "$work" && chmod -R a+rX "$work/in"
cp "$pbt" "$work/pbt"
as=()
[ "$(id -u)" = 0 ] && as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
for command in sft dpo random merge quantize; do
    declare -n words="$command"
    expect 3 "Permission denied" "${as[@]}" "$work/pbt" "${words[@]:1}" --output_dir "$work/closed/x/y"
done
expect 3 "Permission denied" "${as[@]}" "$work/pbt" "${pairs[@]:1}" --output "$work/closed/pairs.jsonl"
mkdir -p "$work/secret/run" && touch "$work/secret/run/run.sqlite" && chmod 700 "$work/secret"
[ "$(id -u)" = 0 ] || chmod 000 "$work/secret"
expect 3 "Permission denied" "${as[@]}" "$work/pbt" report "$work/secret/run"
expect 3 "Permission denied" "${as[@]}" "$work/pbt" model inspect "$work/secret/model"
expect 3 "Permission denied" "${as[@]}" "$work/pbt" "${pairs[@]:1}" --prompts "$work/secret/p" --output o.jsonl
chmod 755 "$work/secret"

# Beside a run, but not over its files.
if [ -e "${golden%/tests/data/golden/train}/pocket/models/agent-a/model.safetensors" ]; then
    "$pbt" run pbt:experiments/smoke.yaml --quiet --output_dir run --set questions.max_train=4 --set questions.max_dev=2 \
        --set questions.max_test=2 --set "arms=[pbt]" --set pairs.max_pairs=4 --set eval.flipflop.max_questions=1 \
        --set eval.team.enabled=false --set sft.max_steps=1 --set dpo.max_steps=1 >/dev/null 2>"$work/err" ||
        { fail "run"; cat "$work/err"; }
    sum="$(sha256sum <run/report.json)"
    for name in run.sqlite report.json seed-1/pairs.jsonl run.lock; do
        expect 2 "a file of RUN" "$pbt" trees run --output "run/$name"
    done
    expect 2 "a file of RUN" "$pbt" compare run --output run/report.html
    mkdir other && cp run/run.sqlite run/report.json other/
    expect 2 "other holds a run" "$pbt" compare run --output other/report.html
    expect 2 "other holds a run" "$pbt" trees run --output other/run.sqlite
    expect 2 "holds a model" "$pbt" trees run --output theirs/tokenizer.json
    cmp -s run/run.sqlite other/run.sqlite || fail "the database of another run was changed"
    expect 0 "" "$pbt" report run
    [ "$sum" = "$(sha256sum <run/report.json)" ] || fail "the report was changed"
    expect 0 "" "$pbt" trees run --output run/trees.jsonl
    "$pbt" trees run --output /dev/stdout 2>/dev/null | cmp - run/trees.jsonl || fail "trees to standard output"
    expect 0 "" "$pbt" compare run --output run/compared.html
    expect 2 "holds files that pbt dpo did not write" "${dpo[@]}" --output_dir run
fi

[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
