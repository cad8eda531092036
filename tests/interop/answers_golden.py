"""Makes tests/data/golden/answers: what TriviaQA's official normalisation makes of every code point in the places where
it can matter, and of words. Needs nothing but Python.

    python3 tests/interop/answers_golden.py

code_points.txt: a line for each run of assigned code points, "first last hash" in hexadecimal, at most 4096 in a run;
the hash is FNV-1a (64 bits) of the normalised forms of the texts of `places`, each followed by a newline, code point
after code point. Code points that this Python's Unicode does not know are left out.
words.txt: a text and its normalised form, with a tab between.
"""

import os
import re
import string
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "tests", "data", "golden", "answers")
MOST = 4096
WORDS = [
    "ΟΔΥΣΣΕΥΣ", "Οδυσσευς", "ΟΔΥΣΣΕΥΣ ΚΑΙ ΑΛΛΟΣ", "Σ", "ΣΣ", "Α'Σ", "ΑΣ'Β", "ΑΣ.", "Σ.Α.Σ", "Α\u0301Σ\u0301", "1Σ", "ΑΣ1", "ΑΣ_Β",
    "İstanbul", "istanbul", "ISTANBUL", "DİYARBAKIR", "The The", "A", "an", "A.N. Other", "a_the_an", "the-a-team",
    "á la carte", "a\u0301 b", "Guns N\u2019 Roses", "rock \u2018n\u2019 roll", "o\u00b4clock", "back`tick", "“curly”",
    "«guillemets»", "STRASSE", "Straße", "ẞ", "\u212a\u212b", "Ǆ ǅ ǆ", "half ½ a", "a\u00a0b\u2003c\u3000d", "x\u200bthe\u200by", "—the—", "日本 a 語",
    "ＴＨＥ", "an\u0307", "the\u20dd", "①a", "ªa", "a²", "\u1f88Σ", "ⅠΣ", "ⒶΣ", "🅰Σ", "ʰΣ", "AʰΣ", "AΣʰ", "AΣʰB", "!!!", " ",
]


def normalize(text):
    """normalize_answer of https://github.com/mandarjoshi90/triviaqa, evaluation/triviaqa_evaluation.py."""
    text = text.replace("_", " ").lower()
    exclude = set(string.punctuation + "".join(["‘", "’", "´", "`"]))
    text = "".join(c if c not in exclude else " " for c in text)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split()).strip()


def places(c):
    return [c, "A" + c + "Σ", c + "Σ", "AΣ" + c + "B", "AΣ" + c, "a" + c, c + "the", "x" + c + "y"]


def fnv(data, seed):
    for byte in data:
        seed = (seed ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return seed


def runs():
    first = None
    for c in range(1, 0x110001):
        known = c < 0x110000 and unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")
        if first is not None and (not known or c - first == MOST):
            yield first, c - 1
            first = None
        if known and first is None:
            first = c


def main():
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "code_points.txt"), "w", encoding="utf-8") as out:
        for first, last in runs():
            seed = 0xCBF29CE484222325
            for c in range(first, last + 1):
                seed = fnv("".join(normalize(t) + "\n" for t in places(chr(c))).encode(), seed)
            out.write("%x %x %016x\n" % (first, last, seed))
    with open(os.path.join(FOLDER, "words.txt"), "w", encoding="utf-8") as out:
        for word in WORDS:
            out.write(word + "\t" + normalize(word) + "\n")


if __name__ == "__main__":
    main()
