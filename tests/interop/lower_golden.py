"""Makes tests/data/golden/answers/lower.json with Python: around which characters a capital sigma becomes a final one in
str.lower(), as ranges of code points, and every character whose lower case is more than one. Characters that the
Python does not know yet are left out (Python 3.11: Unicode 14; utf8proc 2.8: 15)."""

import json
import pathlib
import sys
import unicodedata

PATH = pathlib.Path(__file__).resolve().parent.parent / "data" / "golden" / "answers" / "lower.json"


def ranges(test):
    found = []
    for c in range(1, sys.maxunicode + 1):
        if 0xD800 <= c < 0xE000 or c == 0x3A3 or not test(chr(c)):
            continue
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


if __name__ == "__main__":
    golden = {
        "unicode": unicodedata.unidata_version,
        "final after": ranges(lambda c: "\u03c2" in (c + "\u03a3").lower()),
        "final before": ranges(lambda c: "\u03c2" in ("a\u03a3" + c).lower()),
        "final before it and a letter": ranges(lambda c: "\u03c2" in ("a\u03a3" + c + "b").lower()),
        "unassigned": ranges(lambda c: unicodedata.category(c) == "Cn"),
        "longer": ranges(lambda c: len(c.lower()) > 1),
    }
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(golden, separators=(",", ":")).replace('],"', '],\n"') + "\n")
