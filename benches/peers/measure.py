"""What the peers share: options, sizes, timing, memory, the row that is printed and appended to a CSV.

Options, sizes and columns are those of `longqa bench train-step`; a cell stays empty where a peer does
not know the figure.
"""

import argparse
import csv
import datetime
import os
import pathlib
import platform
import resource
import statistics
import time

import torch

VOCABULARY = {"roberta-base": 50265, "xlm-roberta-base": 250002, "longformer-base-4096": 50265}
HIDDEN, HEADS, INNER = 768, 12, 3072
MASKED = 0.15
DROPOUT = 0.1
COMPUTE = {"float32": torch.float32, "tensorfloat32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
COLUMNS = [
    "date", "system", "version", "revision", "libtorch", "device", "threads", "model", "layers", "seq", "micro_batch",
    "window", "global_tokens", "precision", "attention", "warmup", "steps", "seconds_per_step",
    "seconds_per_step_min", "seconds_per_step_max", "tokens_per_second", "tokens_per_second_min",
    "tokens_per_second_max", "model_gflop_per_second", "used_gflop_per_second", "matmul_gflop_per_second_before",
    "matmul_gflop_per_second_after", "share_of_matmul_rate", "used_share_of_matmul_rate", "peak_memory_mib",
    "launches_per_step",
]


def options(description, attentions=()):
    """The options of `longqa bench train-step` that mean something to a peer; `attentions` are its ways."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=VOCABULARY, default="roberta-base")
    numbers = [("layers", 12), ("seq", 4096), ("micro_batch", 1), ("window", 512), ("global_tokens", 0),
               ("warmup", 3), ("steps", 10), ("threads", os.cpu_count())]
    for name, default in numbers:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--precision", choices=COMPUTE, default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--csv", type=pathlib.Path)
    if attentions:
        parser.add_argument("--attention", choices=["auto", *attentions], default="auto")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device")
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high" if args.precision == "tensorfloat32" else "highest")
    torch.manual_seed(42)
    return args


def tokens(args):
    """Random tokens `[micro_batch, seq]` without padding, and which of them are to be predicted, bool."""
    shape = args.micro_batch, args.seq
    ids = torch.randint(4, VOCABULARY[args.model], shape)
    return ids.to(args.device), (torch.rand(shape) < MASKED).to(args.device)


def device_name(device):
    if device == "cuda":
        return torch.cuda.get_device_name()
    with open("/proc/cpuinfo") as cpuinfo:
        names = (line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name"))
        return next(names, platform.machine())


def seconds_of(step, device):
    if device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def peak_memory_bytes(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def launches(step, device):
    """Kernels, and whole graphs, that one step hands to the device; unknown on a CPU."""
    if device != "cuda":
        return ""
    activities = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activities.CPU, activities.CUDA]) as profile:
        step()
        torch.cuda.synchronize()
    return sum(event.count for event in profile.key_averages() if "Launch" in event.key)


def report(args, system, version, attention, step):
    """Times `step` (it returns the loss), prints the figures as `name: value` lines, appends them to --csv."""
    for _ in range(args.warmup):
        step()
    if args.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    seconds = [seconds_of(step, args.device) for _ in range(args.steps)]
    peak = peak_memory_bytes(args.device)
    assert torch.isfinite(step()), "the loss is not finite"
    count = args.micro_batch * args.seq
    rates = [count / second for second in seconds]
    row = dict.fromkeys(COLUMNS, "") | {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "system": system, "version": version, "libtorch": torch.__version__, "device": device_name(args.device),
        "attention": attention, "launches_per_step": launches(step, args.device),
        "peak_memory_mib": f"{peak / 2**20:.1f}",
    }
    for name in "threads", "model", "layers", "seq", "micro_batch", "window", "global_tokens", "precision", "warmup", "steps":
        row[name] = getattr(args, name)
    for name, values, digits in ("seconds_per_step", seconds, 6), ("tokens_per_second", rates, 2):
        for suffix, of in ("", statistics.median), ("_min", min), ("_max", max):
            row[name + suffix] = f"{of(values):.{digits}f}"
    for name, value in row.items():
        print(f"{name}: {value}")
    if args.csv:
        is_new = not args.csv.exists()
        with args.csv.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if is_new:
                writer.writeheader()
            writer.writerow(row)
