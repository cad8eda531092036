#!/bin/bash
# kill -9 at random moments: `pbt sft`, `pbt dpo` and `pbt run`, started again as often as it takes, end with the bytes
# that an undisturbed run leaves.
set -u
pbt="${PBT_BINARY:?}"
golden="${PBT_TEST_DATA:?}/golden/train"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 XDG_CACHE_HOME="$work/cache"
failures=0
RANDOM=17

# killed MILLISECONDS COMMAND...: starts the command and kills it after 1/20 to 1/2 of what it took undisturbed.
killed() {
    local took="$1" process pause
    shift
    "$@" >/dev/null 2>"$work/err" &
    process=$!
    pause=$((took / 20 + RANDOM % (took / 2 + 1)))
    sleep "$((pause / 1000)).$(printf '%03d' $((pause % 1000)))"
    kill -9 "$process" 2>/dev/null
    wait "$process" 2>/dev/null
}

# Everything of a training's folder that must not depend on interruptions, without times.
contents() {
    sed -E 's/"(step_time|eval_runtime)":[^,}]*,?//g' "$1/metrics.jsonl"
    (cd "$1" && find . -name '*.safetensors' -o -name 'adapter_config.json' -o -name 'README.md' -o -name 'reference-*' | sort |
        xargs sha256sum)
}

# training NAME COMMAND...: undisturbed, then with kills.
training() {
    local name="$1" kills=0 began
    shift
    began=$(date +%s%N)
    "$@" --output_dir "$work/$name" >/dev/null 2>"$work/err" || { cat "$work/err"; failures=$((failures + 1)); return; }
    local took=$((($(date +%s%N) - began) / 1000000))
    for _ in 1 2 3 4 5 6; do
        killed "$took" "$@" --output_dir "$work/$name-killed"
        [ -e "$work/$name-killed/adapter_model.safetensors" ] || [ -e "$work/$name-killed/model.safetensors" ] || kills=$((kills + 1))
    done
    "$@" --output_dir "$work/$name-killed" >/dev/null 2>"$work/err" || { cat "$work/err"; failures=$((failures + 1)); return; }
    if ! diff <(contents "$work/$name") <(contents "$work/$name-killed") >"$work/diff"; then
        echo "FAILED $name: a run that was killed ended otherwise:"
        head -5 "$work/diff"
        failures=$((failures + 1))
    fi
    if [ "$(find "$work/$name-killed" -name 'events.out.tfevents.*' | wc -l)" -ne 1 ]; then
        echo "FAILED $name: not one event file"
        failures=$((failures + 1))
    fi
    echo "$name: $kills kills before the end"
}

common=(--model_name_or_path "$golden/model" --logging_steps 1 --save_steps 2 --learning_rate 1e-3 --quiet)
training sft "$pbt" sft "${common[@]}" --dataset "$golden/sft.jsonl" --max_steps 120 --lora_dropout 0.1
training full "$pbt" sft "${common[@]}" --full --dataset "$golden/text.jsonl" --max_steps 100
training dpo "$pbt" dpo "${common[@]}" --adapter "$golden/adapter" --dataset "$golden/dpo.jsonl" --max_steps 60 \
    --disable_dropout false --eval_dataset "$golden/plain.jsonl" --eval_steps 10 --load_best_model_at_end \
    --metric_for_best_model rewards/margins

# A small experiment on the embedded models, killed in whatever stage it is.
if [ -e pocket/models/agent-a/model.safetensors ]; then
    run=("$pbt" run pbt:experiments/smoke.yaml --quiet --set questions.max_train=16 --set questions.max_dev=4
        --set questions.max_test=6 --set "arms=[pbt]" --set pairs.max_pairs=16 --set sft.save_steps=1 --set dpo.save_steps=1
        --set eval.flipflop.max_questions=3 --set eval.team.enabled=false --set trees.chunk=4)
    began=$(date +%s%N)
    "${run[@]}" --output_dir "$work/run" >/dev/null 2>"$work/err" || { cat "$work/err"; failures=$((failures + 1)); }
    took=$((($(date +%s%N) - began) / 1000000))
    for _ in 1 2 3 4 5 6; do
        killed "$took" "${run[@]}" --output_dir "$work/run-killed"
    done
    "${run[@]}" --output_dir "$work/run-killed" >/dev/null 2>"$work/err" || { cat "$work/err"; failures=$((failures + 1)); }
    for file in report.json seed-1/pbt/adapter/adapter_model.safetensors; do
        if ! cmp "$work/run/$file" "$work/run-killed/$file"; then
            echo "FAILED run: $file of a run that was killed is another one"
            failures=$((failures + 1))
        fi
    done
    if ! diff <(contents "$work/run/seed-1/pbt/dpo") <(contents "$work/run-killed/seed-1/pbt/dpo"); then
        echo "FAILED run: the metrics of a run that was killed are others"
        failures=$((failures + 1))
    fi
    echo "run: killed 6 times"
else
    echo "run: skipped, pocket/models is not there"
fi

[ "$failures" -eq 0 ] || exit 1
