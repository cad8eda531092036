#!/bin/bash
# What a changed experiment costs: what the change affects, and nothing else. Runs from any folder, and from folders that
# may only be read.
set -u
pbt="${PBT_BINARY:?}"
case "$pbt" in /*) ;; *) pbt="$PWD/$pbt" ;; esac
work="$(mktemp -d)"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
small=(--quiet --threads 1 --set questions.max_train=10 --set questions.max_dev=3 --set questions.max_test=3
    --set sft.max_steps=2 --set dpo.max_steps=2 --set "arms=[pbt]" --set "seeds=[1]")
# begin FOLDER SETTINGS...: an experiment file with relative paths, started from its folder's parent.
begin() {
    local folder="$1"
    shift
    (cd "$work" && "$pbt" run e/e.yaml --output_dir "$folder" "${small[@]}" "$@") >"$work/out" 2>"$work/err"
}
mkdir "$work/e"
"$pbt" doctor --json >"$work/doctor"
data="$(sed -E 's/.*"data_folder":"([^"]*)".*/\1/' "$work/doctor")"
cp -r "$data/prompts/pocket" "$work/e/prompts"
sed 's|^prompts:.*|prompts: prompts|' "$data/experiments/smoke.yaml" >"$work/e/e.yaml"

# expect_report RUN OTHER: the same report.
same_report() {
    cmp -s "$work/$1/report.json" "$work/$2/report.json" || fail "$3"
}
kept() { (cd "$work/run/seed-1/pbt" && stat -c '%i %Y' sft/adapter/adapter_model.safetensors); }

begin run || fail "the run: $(cat "$work/err")"
before="$(kept)"
begin run --set dpo.beta=0.2 && fail "a changed beta was not refused"
for words in 'dpo.beta is 0.1 in the run, 0.2 now' 'redoes: DPO and the evaluations of the trained arms,' -- '--accept_changes'; do
    [ "$words" = -- ] || grep -qF -e "$words" "$work/err" || fail "the refusal does not say \"$words\": $(cat "$work/err")"
done
begin run --set dpo.beta=0.2 --accept_changes || fail "the change was not accepted: $(cat "$work/err")"
[ "$before" = "$(kept)" ] || fail "SFT was done anew for DPO's beta"
begin fresh --set dpo.beta=0.2 || fail "$(cat "$work/err")"
same_report run fresh "a changed run ends otherwise than a fresh one"
begin run --set dpo.beta=0.2 || fail "the accepted change is not the run's: $(cat "$work/err")"

# An evaluation alone, with everything before it.
begin run --set dpo.beta=0.2 --set eval.flipflop.max_new_tokens=20 && fail "a changed evaluation was not refused"
grep -q 'redoes: the evaluation flipflop, and' "$work/err" || fail "$(cat "$work/err")"
adapter="$(stat -c '%i %Y' "$work/run/seed-1/pbt/adapter/adapter_model.safetensors")"
begin run --set dpo.beta=0.2 --set eval.flipflop.max_new_tokens=20 --accept_changes || fail "$(cat "$work/err")"
[ "$adapter" = "$(stat -c '%i %Y' "$work/run/seed-1/pbt/adapter/adapter_model.safetensors")" ] || fail "trained anew for an evaluation"

# Seeds and arms are added without a question, and come out as if they had been there from the beginning.
begin fresh --set dpo.beta=0.2 --set "seeds=[1, 2]" --set "arms=[accept, pbt]" || fail "added: $(cat "$work/err")"
begin whole --set dpo.beta=0.2 --set "seeds=[1, 2]" --set "arms=[accept, pbt]" || fail "$(cat "$work/err")"
same_report fresh whole "added seeds and arms came out otherwise"

# From another folder.
(cd / && "$pbt" eval "$work/run" --quiet --threads 1 >/dev/null 2>"$work/err") || fail "pbt eval from elsewhere: $(cat "$work/err")"

# A run that may only be read: nothing is made beside it.
as=()
[ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod -R a+rX,a-w "$work/run" "$work/fresh"
mkdir "$work/elsewhere" && chmod 777 "$work/elsewhere"
listing="$(ls -lR --time-style=full-iso "$work/run" "$work/fresh")"
"${as[@]}" "$pbt" compare "$work/run" "$work/fresh" >"$work/out" 2>"$work/err" || fail "compare: $(cat "$work/err")"
"${as[@]}" "$pbt" report "$work/run" --output_dir "$work/elsewhere/report" >"$work/out" 2>"$work/err" || fail "report: $(cat "$work/err")"
cmp -s "$work/run/report.json" "$work/elsewhere/report/report.json" || fail "the report elsewhere is another one"
[ "$listing" = "$(ls -lR --time-style=full-iso "$work/run" "$work/fresh")" ] || fail "a run was written to by compare or report"
[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
