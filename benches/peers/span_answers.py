"""Answers by transformers' model from the windows that longqa handed out.

The rule is run_squad.py's, as src/qa/decode.rs writes it down: in each window the 20 best starts among the context's
tokens that have the most context there, and the 20 best ends among all of the context's; an answer has at most 30
tokens, and characters; the best sum of two logits over all windows of a question wins, its earliest place if several
have it. The answer is cut out of the context.
"""

import json

import torch

N_BEST = 20
MAX_ANSWER_LENGTH = 30


def read_windows(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def contexts_of(questions):
    """The context of each question of a file in SQuAD's format, by the question's id."""
    with open(questions) as file:
        articles = json.load(file)["data"]
    return {question["id"]: paragraph["context"]
            for article in articles for paragraph in article["paragraphs"] for question in paragraph["qas"]}


def arguments_of(windows, padding_id):
    """The model's arguments, padded to the longest window."""
    length = max(len(window["input_ids"]) for window in windows)
    names = ["input_ids", "attention_mask", "token_type_ids", "global_attention_mask"]
    rows = {name: torch.zeros(len(windows), length, dtype=torch.long) for name in names}
    rows["input_ids"] += padding_id
    for row, window in enumerate(windows):
        count = len(window["input_ids"])
        rows["input_ids"][row, :count] = torch.tensor(window["input_ids"])
        rows["attention_mask"][row, :count] = 1
        if window["second_segment"] is not None:
            rows["token_type_ids"][row, window["second_segment"]:count] = 1
        rows["global_attention_mask"][row, window["global"]] = 1
    return {name: row for name, row in rows.items() if name in names[:2] or row.any()}


def best_span(window, start_logits, end_logits):
    """Its score and its characters; none if the window has no answer."""
    first, offsets = window["context_position"], window["context_offsets"]
    begins, ends = (logits[first:first + len(offsets)].double() for logits in (start_logits, end_logits))
    begins = begins.masked_fill(~torch.tensor(window["has_most_context"], dtype=torch.bool), float("-inf"))
    best = [logits.topk(min(N_BEST, len(offsets))) for logits in (begins, ends)]
    (start_values, starts), (end_values, ends) = ((top.values.tolist(), top.indices.tolist()) for top in best)
    spans = [(start_value + end_value, offsets[start][0], offsets[end][1])
             for start, start_value in zip(starts, start_values) for end, end_value in zip(ends, end_values)
             if start_value > float("-inf") and 0 <= end - start < MAX_ANSWER_LENGTH
             and offsets[start][0] < offsets[end][1]]
    return min(spans, key=rank, default=None)


def rank(span):
    score, start, end = span
    return -score, start, end


@torch.no_grad()
def answer(model, windows, contexts, batch_size=16):
    """The answer to each question, by its id."""
    model.eval()
    by_length = sorted(windows, key=lambda window: len(window["input_ids"]), reverse=True)
    spans = {}
    for first in range(0, len(by_length), batch_size):
        batch = by_length[first:first + batch_size]
        output = model(**arguments_of(batch, model.config.pad_token_id))
        for window, starts, ends in zip(batch, output.start_logits, output.end_logits):
            span = best_span(window, starts, ends)
            spans.setdefault(window["question_id"], []).extend([span] if span else [])
    return {question: cut(contexts[question], min(found, key=rank, default=None)) for question, found in spans.items()}


def cut(context, span):
    return context[span[1]:span[2]] if span else ""
