"""Golden files for tests/same_run.rs: ten steps of fine-tuning and of pretraining, the losses by transformers.

Run: python tests/golden/training.py LONGQA (a program built from this tree; torch 2.11, transformers 5). It writes
  training/tokenizer.json, questions.json, text.raw    what is trained on, with model_parity/bert without dropout
  training/losses.json                                 the settings of both runs, and the loss of each step
LONGQA hands out the batches, whose order and masks are its own; benches/peers/same_run.py trains on them.
"""

import json
import math
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "benches" / "peers"))

import same_run
import torch
from transformers import AutoModelForMaskedLM, AutoModelForQuestionAnswering

FOLDER = HERE / "training"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "river", "meets", "near", "town", "of", "what", "where", "flows", "into", "?", "."]
NAMES = [a + b + "na" for a in "bdfgklm" for b in "aeio"] + [a + b + "ro" for a in "pst" for b in "aeiou"]
OPTIMIZATION = {"learning_rate": 1e-3, "warmup_steps": 3, "weight_decay": 0.01, "max_grad_norm": 0.5}
BATCH = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2}
FINETUNE = {"max_length": 40, "doc_stride": 12, "max_question_length": 9}
PRETRAIN = {"model_max_length": 96}
LONG = {"max-position": 120, "attention-window": 20}
STEPS = 10


def tokenizer():
    pieces = SPECIAL + WORDS + NAMES
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": content, "special": True, "normalized": False, "single_word": False,
             "lstrip": False, "rstrip": False} for number, content in enumerate(SPECIAL)],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {piece: number for number, piece in enumerate(pieces)}},
    }


def sentence(names):
    river, other, town = names.sample(NAMES, 3)
    return river, other, town, f"The river {river} meets {other} near the town of {town}."


def questions(names):
    """Contexts of one to six sentences: some windows are shorter than others, some hold no answer."""
    paragraphs = []
    for number in range(30):
        sentences = [sentence(names) for _ in range(1 + number % 6)]
        context = " ".join(text for *_, text in sentences)
        river, other, _, text = sentences[-1]
        answer = {"text": other, "answer_start": context.index(text) + text.index(f"meets {other}") + len("meets ")}
        question = {"id": f"{number}", "question": f"{river} flows into what?", "answers": [answer]}
        paragraphs.append({"context": context, "qas": [question]})
    return {"version": "1.1", "data": [{"title": "rivers", "paragraphs": paragraphs}]}


def write(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def longqa(*arguments, **flags):
    command = [sys.argv[1], "-q", *arguments, *(f"--{name}={value}" for name, value in flags.items())]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    return dict(line.split(": ") for line in done.stdout.splitlines() if ": " in line)


def losses(folder, auto_model, loss_of):
    model = auto_model.from_pretrained(folder / "model")
    steps = same_run.read_batches(folder / "batches.safetensors")
    rows = same_run.train(model, steps, loss_of, same_run.Optimization(max_steps=STEPS, **OPTIMIZATION))
    return [loss for loss, _ in rows]


torch.set_num_threads(1)
FOLDER.mkdir(exist_ok=True)
names = random.Random(3)
write(FOLDER / "tokenizer.json", tokenizer())
write(FOLDER / "questions.json", questions(names))
(FOLDER / "text.raw").write_text("".join(f" {sentence(names)[-1]}\n" for _ in range(220)))
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    os.environ |= {"OMP_NUM_THREADS": "1", "LONGQA_CACHE": str(folder / "cache")}
    model = folder / "bert"
    shutil.copytree(HERE / "model_parity" / "bert", model)
    shutil.copy(FOLDER / "tokenizer.json", model)
    config = json.loads((model / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    write(model / "config.json", config)
    longqa("convert", **{"from": model, "to": folder / "long"}, **LONG)
    shared = OPTIMIZATION | BATCH
    handed_out = longqa("bench", "batches", "finetune", f"--steps={STEPS}", model=model, output=folder / "finetune",
                        train_file=FOLDER / "questions.json", **shared, **FINETUNE)
    epoch = math.ceil(int(handed_out["sequences"]) / int(handed_out["sequences_per_step"]))
    longqa("bench", "batches", "pretrain", f"--steps={STEPS}", model=folder / "long", output=folder / "pretrain",
           train_file_path=FOLDER / "text.raw", **shared, **PRETRAIN)
    write(FOLDER / "losses.json", {
        "convert_flags": LONG,
        # As many epochs as come to that many steps, rounded up.
        "finetune_flags": shared | FINETUNE | {"num_train_epochs": (STEPS - 0.5) / epoch},
        "pretrain_flags": shared | PRETRAIN | {"max_steps": STEPS},
        "finetune": losses(folder / "finetune", AutoModelForQuestionAnswering, same_run.answers_loss),
        "pretrain": losses(folder / "pretrain", AutoModelForMaskedLM, same_run.masked_lm_loss),
    })
