#!/bin/bash
# pbt chat in a terminal (of util-linux's script): Ctrl-C gives up a line or stops an answer and never
# the chat, and lines are edited. And what an adapter's folder given as a model is told.
set -u
pbt=${PBT_BINARY:-build/release/pbt}
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -z "${chat:-}" ] || kill "$chat" 2>/dev/null' EXIT
fail() {
    echo "FAILED: $1"
    [ -f "$work/screen" ] && cat -v "$work/screen"
    exit 1
}

# wait_for TEXT [COUNT]: until the screen has shown it so often.
wait_for() {
    for _ in $(seq 600); do
        [ "$(grep -o -- "$1" "$work/screen" 2>/dev/null | wc -l)" -ge "${2:-1}" ] && return 0
        sleep 0.1
    done
    echo "waited in vain for: $1" >>"$work/screen"
    return 1
}

mkdir "$work/adapter"
echo '{"base_model_name_or_path": "somebody/model"}' >"$work/adapter/adapter_config.json"
for command in chat generate score; do
    "$pbt" $command "$work/adapter" </dev/null 2>"$work/error" && fail "$command takes an adapter for a model"
    grep -q "this is an adapter, not a model; give the model it was trained on (somebody/model)" "$work/error" ||
        fail "$command does not say that it was given an adapter: $(cat "$work/error")"
done

command -v script >/dev/null || { echo "skipped: no script(1)"; exit 77; }
# A model that never ends by itself.
"$pbt" model random --like pocket/models/agent-a --seed 1 --output_dir "$work/model" 2>/dev/null || fail "no model"
mkfifo "$work/keys"
script -qefc "$pbt chat $work/model --max_new_tokens 400" "$work/screen" <"$work/keys" >/dev/null 2>&1 &
chat=$!
exec 3>"$work/keys"
wait_for "Ctrl-D ends" || fail "the chat did not begin"
printf 'half a line' >&3
sleep 0.3
printf '\003' >&3
sleep 0.3
printf 'hello\r' >&3
sleep 0.5
printf '\003' >&3 # in the answer, or behind it
sleep 0.5
printf '/nothing\r' >&3
wait_for "sets the system message" || fail "Ctrl-C ended the chat"
printf '/zquit\033[D\033[D\033[D\033[D\177\r' >&3 # four times left, and the wrong letter away
wait "$chat" || fail "the chat ended with $?"
exec 3>&-
echo "chat: right"
