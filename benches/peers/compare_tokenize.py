#!/usr/bin/env python3
"""Makes token blocks of one text with longqa, and the same tokens with the tokenizers library, in turn.

    python3 benches/peers/compare_tokenize.py --tokenizer FOLDER_OR_FILE --text wiki.test.raw \
        [--longqa target/release/longqa] [--megabytes 32] [--threads 2] [--peer-threads ALL] [--rounds 3]

Needs a Python with tokenizers. The text is repeated up to the size asked for. longqa goes from file to file, blocks
on disk; the library goes from strings in memory to token ids in memory, by `encode_batch_fast` over lines and over
stretches of about 8,000 characters, of which the faster counts. Fails if longqa is slower in the median round, or if
the numbers of tokens differ (they do not where, as in WikiText, every line can be tokenized by itself).
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

STRETCH = 8000


def stretches(lines):
    """Whole lines put together."""
    stretch, size = [], 0
    for line in lines:
        stretch.append(line)
        size += len(line)
        if size >= STRETCH:
            yield "".join(stretch)
            stretch, size = [], 0
    if stretch:
        yield "".join(stretch)


def longqa(args, text):
    """Seconds and number of tokens."""
    command = [args.longqa, "bench", "tokenize", "--repeats=1", f"--threads={args.threads}", f"--text={text}",
               f"--tokenizer={args.tokenizer}"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = dict(line.split(": ") for line in run.stdout.splitlines())
    return float(figures["seconds"]), int(figures["tokens"])


def library(tokenizer, batch):
    """Seconds and number of tokens."""
    started = time.perf_counter()
    encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
    seconds = time.perf_counter() - started
    return seconds, sum(len(encoding.ids) for encoding in encodings)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longqa", default="target/release/longqa")
    parser.add_argument("--tokenizer", required=True, type=pathlib.Path)
    parser.add_argument("--text", required=True, type=pathlib.Path)
    parser.add_argument("--megabytes", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(args.peer_threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    import tokenizers  # reads the environment

    file = args.tokenizer / "tokenizer.json" if args.tokenizer.is_dir() else args.tokenizer
    tokenizer = tokenizers.Tokenizer.from_file(str(file))
    once = args.text.read_bytes()
    whole = once * max(1, args.megabytes * 1_000_000 // len(once))
    lines = whole.decode().split("\n")
    lines = [line + "\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]
    forms = {"lines": lines, "stretches": list(stretches(lines))}
    print(f"{len(whole) / 1e6:.1f} MB; longqa on {args.threads} threads, tokenizers {tokenizers.__version__} on "
          f"{args.peer_threads}", flush=True)

    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder) / "text"
        text.write_bytes(whole)
        for index in range(1, args.rounds + 1):
            ours, tokens = longqa(args, text)
            said, best = [f"longqa {len(whole) / ours / 1e6:.1f} MB/s"], None
            for name, batch in forms.items():
                theirs, count = library(tokenizer, batch)
                said.append(f"{name} {len(whole) / theirs / 1e6:.1f} MB/s")
                best = min(theirs, best or theirs)
                if count != tokens:
                    sys.exit(f"longqa made {tokens} tokens, the library {count} of {name}")
            ratios.append(best / ours)
            print(f"round {index}: {', '.join(said)}; ratio {ratios[-1]:.2f}", flush=True)
    ratio = statistics.median(ratios)
    print(f"longqa / tokenizers: {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return ratio < 1


if __name__ == "__main__":
    sys.exit(main())
