#!/usr/bin/env python3
"""Runs longqa's training step and its peers' in turn, prints the ratios, and judges them.

    python3 benches/peers/compare_train_step.py --longqa target/release/longqa --out FOLDER \
        [--rounds 3] [--steps 10] [-- OTHER SIZES FOR ALL, e.g. --seq=1024]

Run it with a Python that has torch==2.11.0 and transformers, on an otherwise idle machine; with its defaults it takes
about half an hour. All programs alternate, so that a drift of the machine's speed meets each; ratios of tokens per
second are taken within each round, and their medians over the rounds are judged. Exit code 0: every requirement is
met; 1: one is not; with other sizes than the requirements' own, nothing is judged.
"""

import argparse
import os
import pathlib
import statistics
import sys

import programs

SIZES = ["--model=roberta-base", "--layers=2", "--seq=4096", "--window=512", "--micro-batch=1"]
# A peer, its precision, ours, and what the ratio must be at least: bfloat16 is held against float32 too.
RATIOS = [
    ("transformers", "float32", "float32", 4.5),
    ("transformers", "float32", "bfloat16", 8.0),
    ("transformers", "bfloat16", "bfloat16", None),
    ("compiled", "float32", "float32", None),
    ("compiled", "bfloat16", "bfloat16", None),
]
SHARES = [("used_share_of_matmul_rate", "float32", 0.65), ("share_of_matmul_rate", "float32", 0.65),
          ("used_share_of_matmul_rate", "bfloat16", None)]


def number(row, name):
    return float(row[name]) if row.get(name) else None


def one_round(args, options):
    """One row per program and precision."""
    rows = {}
    for precision in ("float32", "bfloat16"):
        for system in ("longqa", *args.peers):
            call = programs.command(system, args.longqa, "cpu", [*options, f"--precision={precision}"])
            row = rows[system, precision] = programs.run(call)
            said = row.get("error") or f"{row['tokens_per_second']} tokens/s"
            print(f"  {system} {precision}: {said}", flush=True)
    return rows


def figures(rounds, peers):
    """Each ratio and share: its name, its value in each round, and what its median must reach, if anything."""
    for peer, theirs, ours, least in RATIOS:
        if peer in peers:
            rates = [(number(rows["longqa", ours], "tokens_per_second"), number(rows[peer, theirs], "tokens_per_second"))
                     for rows in rounds]
            values = [our / their for our, their in rates if our and their]
            yield f"longqa {ours} / {peer} {theirs}", values, least
    for column, precision, least in SHARES:
        values = [number(rows["longqa", precision], column) for rows in rounds]
        yield f"longqa {precision}, {column}", [value for value in values if value], least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longqa", default="target/release/longqa")
    parser.add_argument("--out", type=pathlib.Path, help="folder for steps.csv and ratios.csv")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--peers", nargs="*", choices=programs.PEERS, default=list(programs.PEERS))
    parser.add_argument("sizes", nargs="*", help="options of `longqa bench train-step`, as --name=value")
    args = parser.parse_args()
    options = [*(args.sizes or SIZES), f"--steps={args.steps}", f"--warmup={args.warmup}", f"--threads={args.threads}"]

    rounds = []
    for index in range(1, args.rounds + 1):
        print(f"round {index} of {args.rounds}", flush=True)
        rounds.append(one_round(args, options))

    failed = False
    ratios = []
    for name, values, least in figures(rounds, args.peers):
        row = {"figure": name, "rounds": len(values), "required": least or "", "outcome": ""}
        if values:
            row |= {"median": f"{statistics.median(values):.3f}", "min": f"{min(values):.3f}", "max": f"{max(values):.3f}"}
        if least and not args.sizes:
            met = len(values) == args.rounds and statistics.median(values) >= least
            row["outcome"] = "met" if met else "not met"
            failed |= not met
        ratios.append(row)
        spread = f"{row['median']} ({row['min']} to {row['max']})" if values else "not measured"
        print(f"{name}: {spread}" + (f"; at least {least}: {row['outcome']}" if row["outcome"] else ""))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        steps = [{"round": index, "program": system, "precision": precision} | row
                 for index, rows in enumerate(rounds, 1) for (system, precision), row in rows.items()]
        programs.write_csv(args.out / "steps.csv", steps)
        programs.write_csv(args.out / "ratios.csv", ratios)
    return failed


if __name__ == "__main__":
    sys.exit(main())
