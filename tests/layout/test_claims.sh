#!/bin/bash
# What README and docs say of pbt itself is held against what is so.
set -u
failures=0

fail() {
    echo "FAILED $1"
    failures=$((failures + 1))
}

# A file as one line with single spaces.
flat() { tr -s '[:space:]' ' ' <"$1"; }

# docs/RESULTS.md tells that held-out questions were looked at between recipes.
grep -q "held-out questions have thus been looked at" docs/RESULTS.md || fail "docs/RESULTS.md no longer tells of looks at held-out questions"
for file in README.md experiments/pocket.yaml docs/POCKET.md; do
    flat "$file" | grep -qiE "settings (below )?(are|were) chosen on dev(elopment)? questions (only|alone)" &&
        fail "$file: settings chosen on dev questions only, which docs/RESULTS.md denies"
done
# PBT keeps 79 of 100 on one side.
flat README.md | grep -q "gives up little on either side" && fail "README.md: PBT gives up a fifth on one side"
# Both options are there, and change the order of sums.
for option in max_rows no_share_prefixes; do
    flat docs/ARCHITECTURE.md | grep -q -- "--$option" || fail "docs/ARCHITECTURE.md: --$option changes bits of training"
done
grep -rnE "(thousand|1,?000) times (larger|smaller)" README.md docs src && fail "a sentence on sizes that depends on the models of the run"
# What the finding calls a difference is what the tables call one (p < 0.05, McNemar).
python3 - <<'END' || fail "docs/results: finding and table disagree"
import json, sys
words = {"flipflop.before": "right less often when nobody argues"}
for name in ("report", "world-2", "world-3"):
    report = json.load(open(f"docs/results/{name}.json"))
    for c in report["comparisons"]:
        if (c["arm"], c["against"]) == ("pbt", "base") and c["measure"] in words:
            said = words[c["measure"]] in report["finding"]
            if said != (c["p"] < 0.05 and c["difference"] < 0):
                sys.exit(f"{name}: {c['measure']} p = {c['p']}")
END

[ "$failures" -eq 0 ] || exit 1
