"""Correctness: what the device computes, that it computes it twice alike, that it learns as the CPU does."""

import csv
import hashlib
import json
import platform
import signal
import subprocess
import time

import programs

from . import miniature
from .session import OutOfTime

# Largest mean difference of a step's loss from the CPU's in float32, over all steps, in nats: six times what the
# CPU's own bfloat16 differs by.
CURVE_BOUND = {"float32": 0.001, "bfloat16": 0.01, "float16": 0.01}


def precisions(session):
    """Those that training is checked in; CPUs have no products in float16 worth the name."""
    return ("float32", "bfloat16", "float16") if session.device == "cuda" else ("float32", "bfloat16")


def environment(session):
    """Versions and devices, to environment.txt."""
    said = session.run([session.longqa, "--device", session.device, "env"], "environment.txt")
    session.require("longqa env", said.returncode == 0, f"exit code {said.returncode}")
    import torch
    import transformers

    versions = f"python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    with open(session.out / "environment.txt", "a") as file:
        file.write(versions + "\n")
    session.check("peers' versions", "done", versions)
    if session.device == "cuda":
        session.run(["nvidia-smi"], "environment.txt")


def parity(session):
    """Every implementation of attention against its definition, inputs drawn anew in each call."""
    seed = int(time.time())
    call = [session.longqa, "bench", "parity", f"--device={session.device}", f"--seed={seed}"]
    with open(session.out / "parity.csv", "w") as file:
        done = subprocess.run(call, stdout=file, stderr=subprocess.PIPE, text=True, timeout=session.left(), check=False)
    rows = list(csv.DictReader(open(session.out / "parity.csv", newline="")))
    for path, kind in sorted({(row["path"], row["format"]) for row in rows}):
        these = [row for row in rows if (row["path"], row["format"]) == (path, kind)]
        worst = max((float(row[name]) for row in these for name in ("result_error", "gradient_error") if row[name]),
                    default=float("nan"))
        met = sum(row["outcome"] == "met" for row in these)
        detail = f"{met} of {len(these)} cases, worst {worst:.1e}, bound {these[0]['bound']}"
        session.require(f"{path} in {kind}", met == len(these), detail)
    if session.device == "cuda":
        paths = {row["path"] for row in rows}
        session.require("flash attention is there", "flash" in paths, f"found {', '.join(sorted(paths))}")
    session.require("exit code", done.returncode == 0, f"{done.returncode}, seed {seed}: {done.stderr[-300:]}")


def long_model(session, dropout):
    """The folder of a small Longformer and the options that train it for `steps` steps."""
    folder = session.work / f"dropout-{dropout}"
    if not (folder / "long").exists():
        model = miniature.make(folder, dropout)
        call = [session.longqa, "convert", "--from", model, "--max-position=512", "--attention-window=64", "--to",
                folder / "long"]
        done = session.run(call, "training.log")
        if done.returncode:
            raise RuntimeError("longqa convert failed: see training.log")
    return folder


def training(session, device, precision, dropout, steps, output):
    folder = long_model(session, dropout)
    return [
        session.longqa, "pretrain", "--device", device, "--model", folder / "long", "--train_file_path",
        folder / "train.raw", "--val_file_path", folder / "valid.raw", "--output_dir", session.work / output,
        "--model_max_length=512", f"--max_steps={steps}", "--per_device_train_batch_size=4",
        "--gradient_accumulation_steps=1", f"--precision={precision}", "--learning_rate=1e-3", "--warmup_steps=20",
        "--logging_steps=1", "--eval_steps=0", "--save_steps=10"]


def digest(session, output):
    return hashlib.sha256((session.work / output / "model.safetensors").read_bytes()).hexdigest()


def twice(session, dropout, steps, precision, run):
    """Whether `run` of a training writes the bytes of an uninterrupted one."""
    whole = f"{precision}-whole"
    if not (session.work / whole / "model.safetensors").exists():
        done = session.run(training(session, session.device, precision, dropout, steps, whole), "training.log")
        if done.returncode:
            raise RuntimeError(f"training in {precision}: exit code {done.returncode}, see training.log")
    output = run()
    session.require(f"same bytes, {precision}", digest(session, whole) == digest(session, output),
                    f"{steps} steps with dropout {dropout}")


def each_precision(session, of):
    for precision in precisions(session):
        try:
            of(precision)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            session.check(precision, "error", error)


def steps_of(session, full):
    return full // 10 if session.quick else full


def determinism(session):
    """The same training twice, dropout on: the same bytes."""
    steps = steps_of(session, 300) if session.device == "cuda" else 20

    def of(precision):
        def again():
            output = f"{precision}-again"
            session.run(training(session, session.device, precision, 0.1, steps, output), "training.log")
            return output

        twice(session, 0.1, steps, precision, again)

    each_precision(session, of)


def resume(session):
    """A training stopped by Ctrl-C and started again: the bytes of one never stopped."""
    steps = steps_of(session, 300) if session.device == "cuda" else 20

    def of(precision):
        def interrupted():
            output = f"{precision}-resumed"
            call = training(session, session.device, precision, 0.1, steps, output)
            at = interrupt(session, call, session.work / output / "metrics.jsonl", steps // 3)
            session.check(f"interrupted, {precision}", "done", f"after {at} of {steps} steps")
            session.run(call, "training.log")
            return output

        twice(session, 0.1, steps, precision, interrupted)

    each_precision(session, of)


def interrupt(session, call, metrics, step):
    """Starts a training and stops it once it has logged `step` steps; gives back how many it did."""
    with open(session.out / "training.log", "a") as log:
        process = subprocess.Popen(call, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and len(losses(metrics)) < step:
                if session.left() < 1:
                    raise OutOfTime
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=max(1.0, session.left()))
        finally:
            process.kill()
    if code != 130:
        raise RuntimeError(f"interrupted training: expected exit code 130, found {code}")
    return len(losses(metrics))


def losses(metrics):
    if not metrics.exists():
        return []
    lines = (json.loads(line) for line in metrics.read_text().splitlines() if line.endswith("}"))
    return [line["loss"] for line in lines if "loss" in line]


def curves(session):
    """The same training without dropout on the CPU in float32 and on the device in each precision."""
    steps = steps_of(session, 200)
    found = {}
    for device, precision in [("cpu", "float32"), *((session.device, precision) for precision in precisions(session))]:
        output = f"curve-{device}-{precision}-{len(found)}"
        try:
            done = session.run(training(session, device, precision, 0.0, steps, output), "training.log")
        except subprocess.TimeoutExpired as error:
            session.check(f"{device} {precision}", "error", error)
            continue
        curve = losses(session.work / output / "metrics.jsonl")
        if done.returncode or len(curve) != steps:
            session.check(f"{device} {precision}", "error", f"exit code {done.returncode} after {len(curve)} steps")
            continue
        found[output] = curve
        if len(found) == 1:
            session.require("the CPU learns", session.quick or curve[-1] < 0.8 * curve[0],
                            f"loss {curve[0]:.3f} to {curve[-1]:.3f} in {steps} steps")
            expected = curve
        else:
            # A step that overflowed in float16 was skipped, and has no loss.
            apart = [abs(ours - theirs) for ours, theirs in zip(curve, expected) if ours is not None]
            mean, bound = sum(apart) / max(1, len(apart)), CURVE_BOUND[precision]
            session.require(f"{device} {precision} beside the CPU's float32", mean <= bound and 2 * len(apart) > steps,
                            f"mean difference {mean:.5f} (bound {bound}), largest {max(apart):.5f}")
    rows = [{"step": step} | {name: curve[step - 1] for name, curve in found.items()} for step in range(1, steps + 1)]
    programs.write_csv(session.out / "curves.csv", rows)
