#!/bin/bash
# pbt generate, score and chat from outside, on the model of tests/data/golden/train.
set -u
pbt="${PBT_BINARY:?}"
model="${PBT_TEST_DATA:?}/golden/train/model"
adapter="$PBT_TEST_DATA/golden/train/adapter"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

# expect NAME CODE TEXT STREAM INPUT COMMAND...: with INPUT on stdin, the exit code and a text in a stream.
expect() {
    local name="$1" code="$2" text="$3" stream="$4" input="$5"
    shift 5
    printf '%s\n' "$input" | "$@" >"$work/out" 2>"$work/err"
    local found=${PIPESTATUS[1]}
    if [ "$found" -ne "$code" ] || ! grep -qF -- "$text" "$work/$stream"; then
        echo "FAILED $name: exit code $found (expected $code), no \"$text\" in std$stream:"
        cat "$work/$stream"
        failures=$((failures + 1))
    fi
}

# same NAME FILE FILE
same() {
    if ! cmp -s "$2" "$3"; then
        echo "FAILED $1: $2 and $3 differ"
        diff "$2" "$3" | head -4
        failures=$((failures + 1))
    fi
}

cat >"$work/requests" <<'END'
{"id": "a", "messages": [{"role": "user", "content": "Which city is it?"}]}
{"id": "b", "messages": [{"role": "user", "content": "Which city is it?"}, {"role": "assistant", "content": "Rome"}, {"role": "user", "content": "Sure?"}]}

{"id": {"n": 3}, "prompt_ids": [5, 6, 7]}
{"prompt_ids": [5, 6, 7, 8]}
END
generate() {
    local to="$1"
    shift
    "$pbt" generate "$model" --quiet --max-new-tokens 20 --temperature=0.8 "$@" <"$work/requests" >"$work/$to" ||
        { echo "FAILED generate $*"; failures=$((failures + 1)); }
}
generate plain
generate batch_1 --max_batch 1 --threads 1
generate own --no_share_prefixes --prefill_rows 3
generate file --input "$work/requests"
generate other_seed --seed 7
generate adapted --adapter "$adapter"
same "one at a time" "$work/plain" "$work/batch_1"
same "without sharing" "$work/plain" "$work/own"
same "from a file" "$work/plain" "$work/file"
cmp -s "$work/plain" "$work/other_seed" && { echo "FAILED: the seed changes nothing"; failures=$((failures + 1)); }
cmp -s "$work/plain" "$work/adapted" && { echo "FAILED: the adapter changes nothing"; failures=$((failures + 1)); }
if [ "$(cut -d, -f1 "$work/plain" | tr '\n' ' ')" != '{"id":"a" {"id":"b" {"id":{"n":3} {"id":5 ' ]; then
    echo "FAILED: ids or their order"
    cut -d, -f1 "$work/plain"
    failures=$((failures + 1))
fi

expect "greedy" 0 '"finish_reason":"length"' out '{"id": 1, "prompt_ids": [5]}' \
    "$pbt" generate "$model" --temperature 0 --max_new_tokens 2 --min_new_tokens 2
expect "score of ids" 0 '{"id":1,"ids":[8,9],"logprobs":[-' out \
    '{"id": 1, "prompt_ids": [5, 6], "continuation_ids": [8, 9]}' "$pbt" score "$model"
expect "score of a turn" 0 ',3],"logprobs":[-' out \
    '{"id": 1, "messages": [{"role": "user", "content": "Hi"}], "continuation": "Yes"}' "$pbt" score "$model"
expect "score of nothing" 0 '"logprobs":[],"sum":0' out \
    '{"id": 1, "prompt_ids": [5], "continuation_ids": []}' "$pbt" score "$model"

expect "no model" 3 "$work/none" err '' "$pbt" generate "$work/none"
expect "no JSON" 3 "standard input: line 1" err 'hello' "$pbt" generate "$model"
expect "no prompt" 3 'expected "messages" or "prompt_ids"' err '{"id": 1}' "$pbt" generate "$model"
expect "empty prompt" 3 '"prompt_ids" is empty' err '{"prompt_ids": []}' "$pbt" generate "$model"
expect "no continuation" 3 '"continuation_ids"' err '{"prompt_ids": [1]}' "$pbt" score "$model"
expect "bad id" 3 'line 1: token 0 of its prompt is 99999' err '{"prompt_ids": [99999]}' "$pbt" generate "$model"
expect "bad id as JSON" 3 '"where":"line 1"' out '{"prompt_ids": [-1]}' "$pbt" score "$model" --json
expect "too long" 2 'line 1: a prompt of 3 tokens and up to 256 new ones do not fit the 9 rows' err \
    '{"prompt_ids": [1, 2, 3]}' "$pbt" generate "$model" --kv_rows 9
expect "bad top_p" 2 "--top_p is 0" err '' "$pbt" generate "$model" --top_p 0

expect "chat" 0 '{"role":"assistant","content":' out 'Hello' "$pbt" chat "$model" --json --max_new_tokens 4
expect "chat commands" 0 "new conversation with this system message" err $'/system Be short.\n/reset\n/quit\nHi' \
    "$pbt" chat "$model"
expect "chat help" 0 "/reset begins again" err '/help' "$pbt" chat "$model"

[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
