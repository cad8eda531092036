#!/bin/bash
# The program from outside: exit codes, errors on stderr and as JSON, help, quiet streams.
set -u
pbt="${PBT_BINARY:?}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

# expect NAME CODE TEXT STREAM COMMAND...: the command's exit code, and a text its stdout or stderr must hold.
expect() {
    local name="$1" code="$2" text="$3" stream="$4"
    shift 4
    "$@" >"$work/out" 2>"$work/err" </dev/null
    local found=$?
    if [ "$found" -ne "$code" ] || ! grep -qF -- "$text" "$work/$stream"; then
        echo "FAILED $name: exit code $found (expected $code), no \"$text\" in std$stream:"
        cat "$work/$stream"
        failures=$((failures + 1))
    fi
}

expect "version" 0 "pbt " out "$pbt" --version
expect "overview" 0 "A first experiment" out "$pbt" --help
expect "overview lists commands" 0 "compare" out "$pbt" --help
expect "help of a command" 0 "--output_dir RUN" out "$pbt" run --help
expect "help command" 0 "--output_dir RUN" out "$pbt" help run
expect "help of a group" 0 "model inspect" out "$pbt" model --help
expect "settings" 0 "dpo.beta" out "$pbt" run --list_settings
expect "a plan without its questions" 3 "nosuch: cannot open" err "$pbt" run pbt:experiments/smoke.yaml --dry-run \
    --set questions.file=nosuch
expect "a plan without a folder" 2 "--output_dir is empty" err "$pbt" run pbt:experiments/smoke.yaml --dry-run -o ""
expect "a plan into a file" 2 "expected a folder, found a file" err "$pbt" run pbt:experiments/smoke.yaml --dry-run \
    -o README.md
expect "no command" 2 "pbt: error: no command was given" err "$pbt"
expect "unknown command" 2 'did you mean "report"' err "$pbt" reprot
expect "unknown command as JSON" 2 '{"error":{"kind":"usage","message":"unknown command' out "$pbt" --json reprot
expect "half a command" 2 '"model" needs a second word' err "$pbt" model
expect "unknown option" 2 "did you mean --output_dir" err "$pbt" run e.yaml --output-dri x
expect "missing argument" 2 "something is missing; usage: pbt report RUN" err "$pbt" report
expect "no run" 3 "is not the folder of a run" err "$pbt" report "$work/none"
expect "no run as JSON" 3 '"kind":"bad_input"' out "$pbt" report "$work/none" --json
expect "no experiment" 3 "$work/none.yaml" err "$pbt" run "$work/none.yaml"
printf 'name: x\nsedes: [1]\n' >"$work/bad.yaml"
expect "unknown key" 3 'line 2: unknown key "sedes"; did you mean "seeds"?' err "$pbt" run "$work/bad.yaml"
expect "unknown key as JSON" 3 '"where":"line 2"' out "$pbt" run "$work/bad.yaml" --json
expect "bad override" 2 "expected key=value" err "$pbt" run "$work/bad.yaml" --set seeds
expect "doctor" 0 "compiler" out "$pbt" doctor
expect "doctor as JSON" 0 '"machine":{' out "$pbt" doctor --json

# Not a terminal: no colour, no bars.
"$pbt" --help >"$work/out" 2>&1
if grep -q "$(printf '\033')" "$work/out"; then
    echo "FAILED: colour on a pipe"
    failures=$((failures + 1))
fi
# An error is one line.
"$pbt" reprot 2>"$work/err"
if [ "$(wc -l <"$work/err")" -ne 1 ]; then
    echo "FAILED: the error is not one line"
    failures=$((failures + 1))
fi
[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
