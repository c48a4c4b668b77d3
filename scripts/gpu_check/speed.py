"""Training steps of longqa and of its peers in turn, most wanted first, until the time is used up."""

import programs

SIZES = {
    "roberta-base": ["--model=roberta-base", "--seq=4096"],
    "xlm-roberta-base": ["--model=xlm-roberta-base", "--seq=4096"],
    "16384 tokens": ["--model=roberta-base", "--seq=16384"],
    "65536 tokens": ["--model=roberta-base", "--seq=65536"],
    "dense, 512 tokens": ["--model=roberta-base", "--seq=512", "--attention=dense"],
    "tiny": ["--model=roberta-base", "--seq=256", "--window=64", "--layers=1"],
}
# Size, micro-batch, precision, the programs that are timed.
ON_GPU = [
    ("roberta-base", 8, "bfloat16", ["longqa", "transformers", "compiled"]),
    ("roberta-base", 32, "bfloat16", ["longqa"]),
    ("xlm-roberta-base", 8, "bfloat16", ["longqa"]),
    ("roberta-base", 16, "bfloat16", ["longqa"]),
    ("16384 tokens", 2, "bfloat16", ["longqa"]),
    ("65536 tokens", 1, "bfloat16", ["longqa"]),
    ("roberta-base", 1, "bfloat16", ["longqa", "transformers"]),
    ("roberta-base", 4, "bfloat16", ["longqa"]),
    ("roberta-base", 2, "bfloat16", ["longqa"]),
    ("roberta-base", 8, "float16", ["longqa"]),
    ("roberta-base", 8, "float32", ["longqa", "transformers"]),
    ("roberta-base", 8, "tensorfloat32", ["longqa"]),
    ("xlm-roberta-base", 8, "bfloat16", ["compiled"]),
    ("16384 tokens", 2, "bfloat16", ["compiled"]),
    ("dense, 512 tokens", 64, "bfloat16", ["longqa"]),
    ("roberta-base", 32, "bfloat16", ["compiled", "transformers"]),
]
QUICK = [("tiny", 1, precision, ["longqa", "transformers", "compiled"]) for precision in ("float32", "bfloat16")]
# One program's time, its start and a peer's compilation included.
SECONDS = {"longqa": 60, "transformers": 60, "compiled": 120}


def speed(session):
    for size, micro_batch, precision, systems in QUICK if session.quick else ON_GPU:
        for system in systems:
            options = [*SIZES[size], f"--micro-batch={micro_batch}", f"--precision={precision}"]
            if session.quick:
                options += ["--steps=2", "--warmup=1"]
            time_one(session, system, size, options, {"micro_batch": micro_batch, "precision": precision})
    judge(session)


def time_one(session, system, size, options, settings):
    row = {"program": system, "size": size} | settings
    left = session.left()
    if left < 10:
        row["error"] = "skipped: out of time"
    else:
        call = programs.command(system, session.longqa, session.device, options)
        row |= programs.run(call, min(left, SECONDS[system]))
    session.speed.append(row)
    programs.write_csv(session.out / "speed.csv", session.speed)
    outcome = "figure" if "error" not in row else "skipped" if "skipped" in row["error"] else "error"
    said = row.get("error") or f"{row['tokens_per_second']} tokens/s"
    session.check(f"{system}, {size}, micro-batch {settings['micro_batch']}, {settings['precision']}", outcome, said)


def judge(session):
    """The requirements of a whole run on a GPU; where a figure is missing, so is the outcome."""
    def rates(system, size, precision="bfloat16"):
        return {int(row["micro_batch"]): float(row["tokens_per_second"]) for row in session.speed
                if (row["program"], row["size"], row["precision"]) == (system, size, precision)
                and row.get("tokens_per_second")}

    def require(name, value, least):
        if value is None:
            session.check(name, "skipped", "not measured")
        else:
            session.require(name, value >= least, f"{value:.3g}, at least {least:.3g}")

    def against(peer):
        ours, theirs = rates("longqa", "roberta-base"), rates(peer, "roberta-base")
        common = ours.keys() & theirs.keys()
        # The peer at its best micro-batch of those that both were timed at.
        return max(ours[size] for size in common) / max(theirs[size] for size in common) if common else None

    if session.quick:
        return
    best = {size: max(rates("longqa", size).values(), default=None) for size in SIZES}
    require("first bar: tokens/s, roberta-base", best["roberta-base"], 350_000)
    require("first bar: times transformers' Longformer", against("transformers"), 10)
    require("tokens/s, roberta-base", best["roberta-base"], 650_000)
    require("tokens/s, xlm-roberta-base", best["xlm-roberta-base"], 535_000)
    require("times torch.compile and flex_attention", against("compiled"), 1.0)
    at_4096 = rates("longqa", "roberta-base").get(8)
    for size in ("16384 tokens", "65536 tokens"):
        ratio = best[size] / at_4096 if best[size] and at_4096 else None
        require(f"{size}: tokens/s beside 4096 tokens at micro-batch 8", ratio, 1 / 1.15)
