"""The programs that are compared: how each is called, and one call of it as a row."""

import csv
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent
PEERS = {"transformers": "longformer_train_step.py", "compiled": "compiled_train_step.py"}


def command(system, longqa, device, options):
    """The training step of `system` ("longqa" or one of PEERS) at the sizes that `options` say."""
    if system == "longqa":
        return [str(longqa), "bench", "train-step", f"--device={device}", *options]
    return [sys.executable, str(FOLDER / PEERS[system]), f"--device={device}", *options]


def run(arguments, seconds=None):
    """What the program prints, by name. A failure is a row as well: its words in the cell `error`."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {seconds:.0f} seconds"}
    except OSError as error:
        return {"error": str(error)}
    if done.returncode:
        said = done.stderr.strip().splitlines() or [""]
        return {"error": f"exit code {done.returncode}: {said[-1][:300]}"}
    lines = (line.partition(":") for line in done.stdout.splitlines())
    return {name: value.strip() for name, _, value in lines}


def write_csv(path, rows):
    """All columns that any row has, in the order of their first mention."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
