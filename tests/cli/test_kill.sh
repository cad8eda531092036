#!/bin/bash
# kill -9 at random moments: `pbt sft`, `pbt dpo` and `pbt run`, started again as often as it takes, end with the bytes
# that an undisturbed run leaves. A kill counts only where the process died of it, in the middle of its work; and what
# was saved before a kill must still be there afterwards with its times, which work done anew would not have.
set -u
[ -z "${PBT_SANITIZED:-}" ] || { echo "skipped: takes minutes under a sanitizer; train/test_resume kills there too"; exit 77; }
pbt="${PBT_BINARY:?}"
golden="${PBT_TEST_DATA:?}/golden/train"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 XDG_CACHE_HOME="$work/cache"
failures=0
RANDOM=17
KILLS=3      # in the middle of the work, each command
ATTEMPTS=40  # at most

fail() {
    echo "FAILED $1"
    failures=$((failures + 1))
}

# killed MILLISECONDS COMMAND...: starts the command and kills it after 1/20 to 6/20 of these. Whether it died of that.
killed() {
    local took="$1" process pause
    shift
    "$@" >/dev/null 2>"$work/err" &
    process=$!
    pause=$((took / 20 + RANDOM % (took / 4 + 1)))
    sleep "$((pause / 1000)).$(printf '%03d' $((pause % 1000)))"
    kill -9 "$process" 2>/dev/null
    wait "$process" 2>/dev/null
    [ $? -eq 137 ]
}

# Everything of a training's folder that must not depend on interruptions, without times.
contents() {
    sed -E 's/"(step_time|eval_runtime)":[^,}]*,?//g' "$1/metrics.jsonl"
    (cd "$1" && find . -name '*.safetensors' -o -name 'adapter_config.json' -o -name 'README.md' -o -name 'reference-*' | sort |
        xargs sha256sum)
}

lines_of() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }

# keeps METRICS BEFORE: whether METRICS begins with BEFORE, times included, but for what came after the last checkpoint
# (every second step is saved: two steps, with an evaluation's line, and a line half written).
keeps() {
    local kept
    kept=$(($(lines_of "$2") - 4))
    [ "$kept" -le 0 ] || cmp -s <(head -n "$kept" "$1") <(head -n "$kept" "$2")
}

# training NAME COMMAND...: undisturbed, then with kills.
training() {
    local name="$1" kills=0 began took attempt folder="$work/$1-killed" resumed=0
    shift
    began=$(date +%s%N)
    "$@" --output_dir "$work/$name" >/dev/null 2>"$work/err" || { fail "$name: $(cat "$work/err")"; return; }
    took=$((($(date +%s%N) - began) / 1000000))
    : >"$work/before"
    for ((attempt = 0; attempt < ATTEMPTS && kills < KILLS; attempt++)); do
        if ! killed "$took" "$@" --output_dir "$folder"; then
            # It finished, or failed: too late a kill on a machine that is faster than it was. Again from nothing.
            grep -q error "$work/err" && fail "$name: $(cat "$work/err")"
            rm -rf "$folder"
            kills=0 resumed=0 took=$((took / 2 + 1))
            : >"$work/before"
            continue
        fi
        keeps "$folder/metrics.jsonl" "$work/before" || fail "$name: steps that were saved were made again"
        [ "$(lines_of "$work/before")" -le 4 ] || resumed=$((resumed + 1))
        [ -e "$folder/metrics.jsonl" ] && cp "$folder/metrics.jsonl" "$work/before"
        # Before anything is saved there is nothing to continue.
        if [ -e "$folder/checkpoint.pbt" ]; then kills=$((kills + 1)); else took=$((took * 3 / 2)); fi
    done
    [ "$kills" -ge "$KILLS" ] || fail "$name: only $kills kills in the middle of the work"
    "$@" --output_dir "$folder" >/dev/null 2>"$work/err" || { fail "$name: $(cat "$work/err")"; return; }
    keeps "$folder/metrics.jsonl" "$work/before" || fail "$name: steps that were saved were made again"
    [ "$(lines_of "$work/before")" -gt 4 ] || fail "$name: nothing was saved before the last kill"
    diff <(contents "$work/$name") <(contents "$folder") >"$work/diff" ||
        fail "$name: a run that was killed ended otherwise: $(head -5 "$work/diff")"
    [ "$(find "$folder" -name 'events.out.tfevents.*' | wc -l)" -eq 1 ] || fail "$name: not one event file"
    [ -z "$(find "$folder" -name '*.tmp')" ] || fail "$name: temporary files are left: $(find "$folder" -name '*.tmp')"
    echo "$name: $kills kills before the end, $((resumed + 1)) continuations"
}

common=(--model_name_or_path "$golden/model" --logging_steps 1 --save_steps 2 --learning_rate 1e-3 --quiet)
training sft "$pbt" sft "${common[@]}" --dataset "$golden/sft.jsonl" --max_steps 120 --lora_dropout 0.1
training full "$pbt" sft "${common[@]}" --full --dataset "$golden/text.jsonl" --max_steps 100
training dpo "$pbt" dpo "${common[@]}" --adapter "$golden/adapter" --dataset "$golden/dpo.jsonl" --max_steps 60 \
    --disable_dropout false --eval_dataset "$golden/plain.jsonl" --eval_steps 10 --load_best_model_at_end \
    --metric_for_best_model rewards/margins

# A small experiment on the embedded models, killed in whatever stage it is. What it says tells how many trees were there
# when it began: never fewer than the time before, and some, or all were there and it had come to the next stage.
run=("$pbt" run pbt:experiments/smoke.yaml --set questions.max_train=16 --set questions.max_dev=4
    --set questions.max_test=6 --set "arms=[pbt]" --set pairs.max_pairs=16 --set sft.save_steps=1 --set dpo.save_steps=1
    --set eval.flipflop.max_questions=3 --set eval.team.enabled=false --set trees.chunk=4 --set show.debates=0)
steps=seed-1/pbt/sft/metrics.jsonl
began=$(date +%s%N)
"${run[@]}" --output_dir "$work/run" >"$work/out" 2>"$work/err" || fail "run: $(cat "$work/err")"
# It ends with a small table, the one that README shows, an arm a row.
spaced() { tr -s ' ' <<<"$1"; }
head="$(spaced "$(sed -n 2p "$work/out")")"
[[ "$head" == *"+→− −→+ overall"* ]] && tr -s ' ' <README.md | grep -qF "$head" || fail "run: not README's table: $(cat "$work/out")"
[ "$(grep -c '' "$work/out")" -eq 5 ] || fail "run: not one row for base and pbt: $(cat "$work/out")"
# It says what it is of, and where it lies nowhere.
grep -q '"question_counts"' "$work/run/report.json" || fail "run: report.json does not say what it is of"
grep -qE "$work|\"/" "$work/run/report.json" && fail "run: a path in report.json"
grep -q "only [0-9]* question" "$work/err" || fail "run: no warning of a small test"
"$pbt" report "$work/run" 2>/dev/null | grep -q "Trees and pairs" || fail "report: the full tables"
took=$((($(date +%s%N) - began) / 1000000))
kills=0 there=0 continued=0
for ((attempt = 0; attempt < ATTEMPTS; attempt++)); do
    if [ "$kills" -ge "$KILLS" ] && [ "$continued" -gt 0 ] && [ "$there" -gt 0 ]; then break; fi
    # Killed before a tree was there: later.
    if [ "$kills" -ge 6 ] && [ "$there" -eq 0 ]; then took=$((took * 3 / 2)); fi
    if ! killed "$took" "${run[@]}" --output_dir "$work/run-killed"; then
        grep -q error "$work/err" && fail "run: $(cat "$work/err")"
        # It finished after fewer kills, on a machine that is faster than it was. Again from nothing.
        rm -rf "$work/run-killed"
        kills=0 there=0 continued=0 took=$((took / 2 + 1))
        continue
    fi
    kills=$((kills + 1))
    now=$(sed -n 's/.*continuing after \([0-9]*\) of [0-9]* trees.*/\1/p' "$work/err" | tail -n 1)
    if [ -n "$now" ]; then
        [ "$now" -ge "$there" ] || fail "run: $now trees were there after a kill, and $there before it"
        there=$now continued=$((continued + 1))
    fi
done
[ "$kills" -ge "$KILLS" ] || fail "run: only $kills kills in the middle of the work"
[ "$continued" -gt 0 ] && [ "$there" -gt 0 ] || fail "run: it never went on with the trees that were there"
"${run[@]}" --output_dir "$work/run-killed" >/dev/null 2>"$work/err" || fail "run: $(cat "$work/err")"
# The training that is there is not done again, nor are the trees.
cp "$work/run-killed/$steps" "$work/before"
"${run[@]}" --output_dir "$work/run-killed" >/dev/null 2>"$work/err" || fail "run: $(cat "$work/err")"
cmp -s "$work/run-killed/$steps" "$work/before" || fail "run: a finished training was made again"
for file in report.json seed-1/pbt/adapter/adapter_model.safetensors; do
    cmp "$work/run/$file" "$work/run-killed/$file" || fail "run: $file of a run that was killed is another one"
done
diff <(contents "$work/run/seed-1/pbt/dpo") <(contents "$work/run-killed/seed-1/pbt/dpo") ||
    fail "run: the metrics of a run that was killed are others"
echo "run: killed $kills times, went on with $there trees at the last"

[ "$failures" -eq 0 ] || exit 1
