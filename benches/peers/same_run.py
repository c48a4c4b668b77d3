"""A training run that longqa handed out, made again by transformers and PyTorch.

`longqa bench batches` writes the model and the batches; here is the loop of transformers' Trainer over them: AdamW
without decay of biases and LayerNorm, linear warm-up and decay, clipping, 32 bits, dropout as the model's config says.
"""

import dataclasses
import time

import torch
import transformers
from safetensors import safe_open
from torch.nn.functional import cross_entropy

LABELS = {"start_positions", "end_positions", "labels"}
IGNORED = -100


@dataclasses.dataclass
class Optimization:
    """Settings of the same names in longqa, and its defaults where it has them."""
    learning_rate: float
    max_steps: int
    warmup_steps: int = 0
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0


def read_batches(path):
    """Of each step its forward passes, of each pass the model's arguments by name."""
    steps = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():
            step, number, argument = name.split(".")
            steps.setdefault(int(step), {}).setdefault(int(number), {})[argument] = file.get_tensor(name)
    return [[passes[number] for number in sorted(passes)] for _, passes in sorted(steps.items())]


def tokens(passes):
    """Real tokens of a step."""
    return sum(int(arguments["attention_mask"].sum()) for arguments in passes)


def answers_loss(model, arguments):
    """The sum over the labels, starts and ends.

    run_qa.py's loss is the mean of the same terms but for padding, among which transformers lets an answer begin:
    then a loss would depend on which sequences share a batch.
    """
    output = model(**{name: value for name, value in arguments.items() if name not in LABELS})
    padding = arguments["attention_mask"] == 0
    return sum(
        cross_entropy(logits.masked_fill(padding, float("-inf")), arguments[label], reduction="sum",
                      ignore_index=IGNORED)
        for logits, label in ((output.start_logits, "start_positions"), (output.end_logits, "end_positions")))


def masked_lm_loss(model, arguments):
    """The sum over the masked tokens: transformers' own mean, times their number."""
    return model(**arguments).loss * terms([arguments])


def terms(passes):
    """Labels of all passes that something is learned from."""
    return sum(int((arguments[name] != IGNORED).sum()) for arguments in passes for name in LABELS & arguments.keys())


def optimizer_of(model, settings):
    kept = [name for name, _ in model.named_parameters()
            if name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name]
    groups = [{"params": [parameter for name, parameter in model.named_parameters() if (name in kept) == is_kept],
               "weight_decay": 0.0 if is_kept else settings.weight_decay} for is_kept in (False, True)]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.adam_beta1, settings.adam_beta2),
                             eps=settings.adam_epsilon, fused=True)


def train(model, steps, loss_of, settings):
    """Trains `model`; of each step its loss, the mean over all terms of all passes, and its seconds."""
    model.train()
    optimizer = optimizer_of(model, settings)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, settings.warmup_steps, settings.max_steps)
    rows = []
    for passes in steps:
        started = time.perf_counter()
        count, total = terms(passes), 0.0
        for arguments in passes:
            loss = loss_of(model, arguments) / count
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        rows.append((total, time.perf_counter() - started))
    return rows
