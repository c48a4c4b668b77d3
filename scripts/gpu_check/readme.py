"""README.md of one call: what ran where, what was found."""

import datetime

COLUMNS = ["program", "size", "micro_batch", "precision", "tokens_per_second", "tokens_per_second_min",
           "tokens_per_second_max", "share_of_matmul_rate", "peak_memory_mib"]


def table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    cells = ([str(row.get(column, "")).replace("|", "/").replace("\n", " ") for column in columns] for row in rows)
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])


def write(session, command):
    import measure

    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    missed = sum(row["outcome"] not in ("met", "done", "figure") for row in session.checks)
    parts = [
        f"# longqa on {measure.device_name(session.device)}, {now}",
        f"`{command}`",
        "Tiny sizes, to see that the script runs: no figure here means anything." if session.quick else
        "Tokens per second: median, slowest and fastest step. Rows without figures have their reason below.",
        f"{len(session.checks)} checks, {missed} of them missed, failed or skipped. Versions are in environment.txt.",
        "## Speed", table(COLUMNS, session.speed),
        "## Checks", table(["section", "check", "outcome", "detail"], session.checks),
    ]
    (session.out / "README.md").write_text("\n\n".join(parts) + "\n")
