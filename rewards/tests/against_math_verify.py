"""Compares this project's mathematical verifier with Hugging Face's math-verify on a labelled corpus.

    pip install math-verify            (0.9.0 was used for docs/math-verifier.md)
    cargo run -p collimate-rewards --example math_corpus rewards/tests/data/math.jsonl > ours.txt
    python rewards/tests/against_math_verify.py rewards/tests/data/math.jsonl ours.txt

Without the second file only math-verify is judged. Prints a table of agreement with the labels by kind, and every row on which the two
verifiers, or one of them and the label, disagree. A bare gold is put between dollar signs, because math-verify reads LaTeX only there.
Nothing in the project needs this script or Python.
"""

import json
import sys
from collections import defaultdict

from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify


def of_math_verify(row):
    """What math-verify says: True or False; None if it cannot read the gold."""
    gold = row["gold"]
    marked = any(mark in gold for mark in ("$", "\\boxed", "####"))
    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    if row["kind"] == "choice":
        targets.append(StringExtractionConfig(strings=tuple("ABCDEFGH")))
    truth = parse(gold if marked else f"${gold}$", targets)
    if not truth:
        truth = parse(gold, targets)
    if not truth:
        return None
    return verify(truth, parse(row["answer"], targets))


def main():
    rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    ours = [None] * len(rows)
    if len(sys.argv) > 2:
        ours = [{"1": True, "0": False}.get(line.strip()) for line in open(sys.argv[2], encoding="utf-8")]
        assert len(ours) == len(rows), "one line a row"
    table = defaultdict(lambda: [0] * 5)
    apart = []
    for row, mine in zip(rows, ours):
        theirs = of_math_verify(row)
        counts = table[row["kind"]]
        counts[0] += 1
        counts[1] += mine is row["equal"]
        counts[2] += mine is True and not row["equal"]
        counts[3] += theirs is row["equal"]
        counts[4] += theirs is True and not row["equal"]
        if not (mine is row["equal"] and theirs is row["equal"]):
            apart.append((row, mine, theirs))
    print("| kind | pairs | ours agrees | ours wrongly equal | math-verify agrees | math-verify wrongly equal |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind in sorted(table):
        print(f"| {kind} | " + " | ".join(map(str, table[kind])) + " |")
    total = [sum(column) for column in zip(*table.values())]
    print("| **all** | " + " | ".join(f"**{n}**" for n in total) + " |")
    print()
    word = {True: "equal", False: "not", None: "unread"}
    for row, mine, theirs in apart:
        print(f"{row['kind']}\tlabel {word[row['equal']]}\tours {word[mine]}\tmath-verify {word[theirs]}\t{row['gold']!r}\t{row['answer']!r}")


if __name__ == "__main__":
    main()
