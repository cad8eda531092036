#!/bin/bash
# The manual page and the completions: nothing of the option tables is missing, the shells and groff accept them,
# and bash completes what it should.
set -u
export LC_ALL=C
pbt="${PBT_BINARY:?}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

for format in man bash zsh fish; do
    "$pbt" --print "$format" >"$work/$format" || fail "--print $format"
done
sed -i 's/\\-/-/g; s/\\f[BIR]//g' "$work/man"

# Commands are the lines of the overview before its options; options are what --help of each command lists.
"$pbt" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]\+\( [a-z]\+\)\?\)  .*/\1/p' >"$work/commands"
[ "$(wc -l <"$work/commands")" -gt 10 ] || fail "no commands found"
while read -r command; do
    grep -q "^.SS \"pbt $command\"" "$work/man" || fail "no $command in the manual page"
    # shellcheck disable=SC2086
    "$pbt" $command --help | grep -o '^ *\(-., \)\?--[a-z0-9_]*' | grep -o -- '--.*' | sort -u >"$work/options"
    [ "$(wc -l <"$work/options")" -ge 8 ] || fail "no options of $command found"
    for format in man bash zsh; do
        sed -n "/pbt $command\"/,/^.SS\|^.SH/p;/^ *\"$command\")/,/^ *;;\|;;$/p;/OPTIONS OF EVERY/,\$p" "$work/$format" |
            grep -o -e '--[a-z0-9_]*' | sort -u | comm -23 "$work/options" - >"$work/missing"
        [ ! -s "$work/missing" ] || fail "$format: of $command missing: $(tr '\n' ' ' <"$work/missing")"
    done
    sed -n "s/.*__pbt_is \"$command\"' -l \([a-z0-9_]*\) .*/--\1/p" "$work/fish" | sort -u |
        comm -23 "$work/options" - >"$work/missing"
    [ ! -s "$work/missing" ] || fail "fish: of $command missing: $(tr '\n' ' ' <"$work/missing")"
done <"$work/commands"

"$pbt" --print man >"$work/man"
bash -n "$work/bash" || fail "bash does not read its completion"
! command -v groff >/dev/null || [ -z "$(groff -man -ww -z -Tutf8 "$work/man" 2>&1)" ] || fail "groff warns"
! command -v zsh >/dev/null || zsh -n "$work/zsh" || fail "zsh does not read its completion"
! command -v fish >/dev/null || fish -n "$work/fish" || fail "fish does not read its completion"

# completes "OFFERS" WORD...: what bash offers for the last word.
# shellcheck disable=SC1091
. "$work/bash"
completes() {
    local expected="$1"
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _pbt 2>/dev/null
    [ "${COMPREPLY[*]}" = "$expected" ] || fail "$*: bash offers \"${COMPREPLY[*]}\", not \"$expected\""
}
completes "report" pbt rep
completes "inspect" pbt model in
completes "--lr_scheduler_type" pbt sft --lr-sch
completes "nf4 fp4" pbt generate --bnb_4bit_quant_type ""
completes "fp4" pbt generate --bnb_4bit_quant_type = f
completes "--quantize" pbt --threads 2 model merge --quan
completes "" pbt run exp

[ "$failures" -eq 0 ] && echo "all passed"
exit "$((failures > 0))"
