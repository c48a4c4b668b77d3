#!/usr/bin/env python3
"""Runs `longqa bench train-step` and transformers' Longformer in turn and prints the ratio.

    python3 benches/peers/compare_train_step.py --longqa target/release/longqa --rounds 3 \
        [--csv FILE] [-- OPTIONS FOR BOTH, e.g. --precision=bfloat16 --length=4096]

Run it with a Python that has torch==2.11.0 and transformers. The two alternate, so that a drift of
the machine's speed meets both; the ratio is taken within each round.
"""

import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name("longformer_train_step.py")


def tokens_per_second(command):
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(dict(line.split(": ") for line in printed.splitlines())["tokens_per_second"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longqa", default="target/release/longqa")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--csv")
    parser.add_argument("options", nargs="*", help="options that both programs take, as --name=value")
    args = parser.parse_args()
    both = [f"--threads={args.threads}", *args.options]
    ours = [args.longqa, "bench", "train-step", *both]
    theirs = [sys.executable, str(PEER), *both]
    rows = []
    for number in range(1, args.rounds + 1):
        row = {"round": number, "longqa_tokens_per_second": tokens_per_second(ours),
               "transformers_tokens_per_second": tokens_per_second(theirs)}
        row["ratio"] = row["longqa_tokens_per_second"] / row["transformers_tokens_per_second"]
        rows.append(row)
        print(", ".join(f"{name} {value:.2f}" for name, value in row.items()), flush=True)
    print(f"median ratio: {statistics.median(row['ratio'] for row in rows):.2f}")
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
