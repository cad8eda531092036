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
expect "no prompt" 3 'expected "messages", "prompt" or "prompt_ids"' err '{"id": 1}' "$pbt" generate "$model"
expect "empty prompt" 3 '"prompt_ids" is empty' err '{"prompt_ids": []}' "$pbt" generate "$model"
expect "no continuation" 3 '"continuation_ids"' err '{"prompt_ids": [1]}' "$pbt" score "$model"
expect "bad id" 3 'line 1: token 0 of its prompt is 99999' err '{"prompt_ids": [99999]}' "$pbt" generate "$model"
expect "bad id as JSON" 3 '"where":"line 1"' out '{"prompt_ids": [-1]}' "$pbt" score "$model" --json
expect "too long" 2 'line 1: a prompt of 3 tokens and up to 256 new ones do not fit the 9 rows' err \
    '{"prompt_ids": [1, 2, 3]}' "$pbt" generate "$model" --kv_rows 9
expect "bad top_p" 2 "--top_p is 0" err '' "$pbt" generate "$model" --top_p 0

# Several samples of a prompt: the first is what one alone gives; the prompt is computed once.
generate samples --num_return_sequences 3
grep '"index":0,' "$work/samples" | sed 's/"index":0,//' >"$work/first"
same "first of three samples" "$work/first" "$work/plain"
[ "$(wc -l <"$work/samples")" -eq 12 ] || { echo "FAILED: three samples of four prompts"; failures=$((failures + 1)); }
[ "$(cut -d'"' -f5- "$work/samples" | sort -u | wc -l)" -eq 12 ] || { echo "FAILED: samples are equal"; failures=$((failures + 1)); }
computed() { # prompt tokens computed for one prompt and N samples of it
    printf '{"prompt_ids": [5, 6, 7, 8, 9, 10]}\n' | "$pbt" generate "$model" --verbose --max_new_tokens 2 \
        --num_return_sequences "$1" 2>&1 >"$work/out" | grep -o '[0-9]* of them computed'
}
[ "$(computed 1)" = "$(computed 5)" ] || { echo "FAILED: prompt of 5 samples: $(computed 5)"; failures=$((failures + 1)); }
expect "no samples" 2 "--num_return_sequences is 0" err '' "$pbt" generate "$model" --num_return_sequences 0

# What an interrupted call left, and what stands before a bad line.
generate rest --skip 2
tail -n 2 "$work/plain" >"$work/tail"
same "the rest" "$work/rest" "$work/tail"
expect "answers before a bad line" 3 '{"id":7,' out $'{"id": 7, "prompt_ids": [5]}\nhello' \
    "$pbt" generate "$model" --max_new_tokens 1
expect "answers before a bad id" 3 '{"id":7,' out $'{"id": 7, "prompt_ids": [5]}\n{"prompt_ids": [99999]}' \
    "$pbt" generate "$model" --max_new_tokens 1
expect "scores before a bad line" 3 '{"id":7,' out $'{"id": 7, "prompt_ids": [5], "continuation_ids": [6]}\n{}' \
    "$pbt" score "$model"

# Answers come while the input is still open; Ctrl-C then keeps them and says how to go on.
for command in generate score; do
    mkfifo "$work/in-$command"
    "$pbt" "$command" "$model" --input "$work/in-$command" >"$work/stream" 2>"$work/err" &
    child=$!
    exec 5>"$work/in-$command"
    printf '{"id": 1, "prompt_ids": [5], "continuation_ids": [6]}\n' >&5
    for _ in $(seq 100); do
        [ -s "$work/stream" ] && break
        sleep 0.1
    done
    grep -q '^{"id":1,.*}$' "$work/stream" || { echo "FAILED $command: no line while the input is open"; failures=$((failures + 1)); }
    kill -INT "$child"
    wait "$child"
    code=$?
    exec 5>&-
    if [ "$code" -ne 130 ] || ! grep -q "1 requests are answered.*--skip 1 gives the rest" "$work/err"; then
        echo "FAILED $command: exit code $code after Ctrl-C"
        cat "$work/err"
        failures=$((failures + 1))
    fi
done

# Ctrl-C while nothing comes: an end at once, not when the writer closes, and nothing is said to be saved. Nor does an
# input that never ends keep it.
mkfifo "$work/idle"
exec 5<>"$work/idle"
stopped() { # NAME INPUT COMMAND...
    local name="$1" input="$2" child code
    shift 2
    "$@" <"$input" >"$work/out" 2>"$work/err" &
    child=$!
    # The signals are caught before anything is read; a TERM to one that hangs would only be noted too.
    for _ in $(seq 100); do
        grep -qi '^SigCgt:.*[2367abef]$' "/proc/$child/status" 2>/dev/null && break
        sleep 0.05
    done
    sleep 0.3
    kill -INT "$child"
    for _ in $(seq 100); do
        kill -0 "$child" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$child" 2>/dev/null
    wait "$child"
    code=$?
    if [ "$code" -ne 130 ] || ! grep -q '^pbt: error: interrupted$' "$work/err"; then
        echo "FAILED $name: exit code $code after Ctrl-C"
        cat "$work/err"
        failures=$((failures + 1))
    fi
}
stopped tokens "$work/idle" "$pbt" tokens "$model"
stopped stats "$work/idle" "$pbt" stats mean
stopped "stats of /dev/stdin" "$work/idle" "$pbt" stats mean --input /dev/stdin
stopped chat "$work/idle" "$pbt" chat "$model"
stopped generate "$work/idle" "$pbt" generate "$model"
stopped score "$work/idle" "$pbt" score "$model"
exec 5>&-
stopped "tokens without end" <(yes '{"text": "a"}') "$pbt" tokens "$model"

# Everything a row says of its messages is rendered as `pbt tokens` renders it.
user='{"role": "user", "content": "Hi"}'
tokens_of() { printf '%s\n' "$1" | "$pbt" tokens "$model" | grep -o '"ids":\[[^]]*\]'; }
# The template of this folder shows a name, tools, reasoning and a variable.
cp -r "$model" "$work/rich" && chmod -R u+w "$work/rich"
cat >"$work/rich/chat_template.jinja" <<'END'
{% if tools %}{{ tools | tojson }}{% endif %}{{ mood }}{% for m in messages %}<|im_start|>{{ m.role }}{{ m.name }}
{{ m.reasoning_content }}{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endif %}{% for call in m.tool_calls %}{{ call.function.name }}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}
END
score_ids() { # the ids before and in the continuation cannot be seen; their sum of log-probabilities tells
    printf '%s\n' "$1" | "$pbt" score "$work/rich" -q | grep -o '"sum":.*'
}
plain_sum=$(score_ids "{\"messages\": [$user], \"continuation\": \"Yes\"}")
differs() {
    local sum
    sum=$(score_ids "$2")
    if [ -z "$sum" ] || [ "$sum" = "$plain_sum" ]; then
        echo "FAILED $1: \"$sum\" is what the row without it gives"
        failures=$((failures + 1))
    fi
}
differs "name" '{"messages": [{"role": "user", "content": "Hi", "name": "Ann"}], "continuation": "Yes"}'
differs "reasoning" '{"messages": [{"role": "user", "content": "Hi", "thinking": "Hm"}], "continuation": "Yes"}'
differs "tools" "{\"messages\": [$user], \"tools\": [{\"name\": \"f\"}], \"continuation\": \"Yes\"}"
differs "tools as text" "{\"messages\": [$user], \"tools\": \"[{\\\"name\\\": \\\"f\\\"}]\", \"continuation\": \"Yes\"}"
differs "kwargs" "{\"messages\": [$user], \"chat_template_kwargs\": {\"mood\": \"good\"}, \"continuation\": \"Yes\"}"
differs "tool calls" '{"messages": [{"role": "user", "content": "Hi", "tool_calls": [{"function": {"name": "f"}}]}], "continuation": "Yes"}'
equals() {
    local sum
    sum=$(score_ids "$2")
    [ "$sum" = "$plain_sum" ] || { echo "FAILED $1: $sum instead of $plain_sum"; failures=$((failures + 1)); }
}
equals "parts" '{"messages": [{"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}], "continuation": "Yes"}'
equals "null and empty" "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\", \"name\": null}], \"tools\": [], \"images\": [], \"chat_template_kwargs\": {}, \"continue_final_message\": false, \"continuation\": \"Yes\"}"
equals "a prompt of messages" "{\"prompt\": [$user], \"continuation\": \"Yes\"}"
whole=$(score_ids "{\"messages\": [$user], \"continuation\": \"Yes no\"}")
expect "goes on" 0 '"logprobs":[-' out \
    "{\"messages\": [$user, {\"role\": \"assistant\", \"content\": \"Yes\"}], \"continue_final_message\": true, \"continuation\": \" no\"}" \
    "$pbt" score "$work/rich"
row="{\"messages\": [$user, {\"role\": \"assistant\", \"content\": \"Yes\"}], \"continue_final_message\": true}"
expect "generate goes on" 0 '"finish_reason"' out "$row" "$pbt" generate "$work/rich" --max_new_tokens 2
expect "text of going on" 0 'assistant\nYes"}' out "$row" "$pbt" tokens "$work/rich"
expect "goes on and prompt" 3 'exclude each other' err \
    "{\"messages\": [$user], \"continue_final_message\": true, \"add_generation_prompt\": true}" "$pbt" generate "$model"
expect "nothing goes on" 3 'no text in "thinking" that could go on' err \
    "{\"messages\": [$user], \"continue_final_message\": \"thinking\"}" "$pbt" generate "$model"
expect "empty messages" 3 'line 1: expected at least one message' err '{"messages": []}' "$pbt" generate "$model"
expect "empty messages in tokens" 3 'line 1: expected at least one message' err '{"messages": []}' "$pbt" tokens "$model"
expect "picture" 3 'part of type "image_url"' err \
    '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}' "$pbt" generate "$model"
expect "kwarg" 3 '"chat_template_kwargs" has "chat_template"' err \
    "{\"messages\": [$user], \"chat_template_kwargs\": {\"chat_template\": \"x\"}}" "$pbt" generate "$model"
expect "two prompts" 3 'found "messages" and "prompt"' err "{\"messages\": [$user], \"prompt\": \"x\"}" "$pbt" generate "$model"
expect "NUL in messages" 3 '"content" holds the character U+0000' err \
    '{"messages": [{"role": "user", "content": "a\u0000b"}]}' "$pbt" generate "$model"
expect "tools beside ids" 3 'has "tools", which only says something of messages' err \
    '{"prompt_ids": [5], "tools": [{"name": "f"}]}' "$pbt" generate "$model"

# Plain text: tokenised as it is.
ids=$("$pbt" tokens "$model" --add_special_tokens --json 'Which city' | grep -o '"ids":\[[^]]*\]' | cut -d: -f2)
"$pbt" generate "$model" -q --max_new_tokens 4 <<<'{"id": 1, "prompt": "Which city"}' >"$work/text"
"$pbt" generate "$model" -q --max_new_tokens 4 <<<"{\"id\": 1, \"prompt_ids\": $ids}" >"$work/ids"
same "prompt as text" "$work/text" "$work/ids"
expect "score of text" 0 '"logprobs":[-' out '{"prompt": "Which city", "continuation": " is it?"}' "$pbt" score "$model"
expect "byte order mark, NaN" 0 '{"id":null,' out $'\xef\xbb\xbf{"id": NaN, "prompt_ids": [5]}' \
    "$pbt" generate "$model" --max_new_tokens 1

expect "chat" 0 '{"role":"assistant","content":' out 'Hello' "$pbt" chat "$model" --json --max_new_tokens 4
expect "chat commands" 0 "new conversation with this system message" err $'/system Be short.\n/reset\n/quit\nHi' \
    "$pbt" chat "$model"
expect "chat help" 0 "/reset starts over" err '/help' "$pbt" chat "$model"

[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
