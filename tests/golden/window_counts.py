"""Makes window_counts.json: how many questions and windows the real files have, language by language.

Counted with the tokenizers library and the arithmetic of BERT's run_squad.py (`_DocSpan`s of a context in
steps of doc_stride), not with longqa.

Run: LONGQA_MIRROR=FOLDER python3 window_counts.py   (needs tokenizers; the folder as in docs/data.md)
"""
import collections
import json
import os
import pathlib

import tokenizers

MIRROR = pathlib.Path(os.environ["LONGQA_MIRROR"])
MAX_LENGTH, DOC_STRIDE, MAX_QUESTION_LENGTH, SPECIAL = 384, 128, 64, 4
TOKENIZER = "tokenizers/xlm-roberta-base/tokenizer.reconstructed.json"


def windows(question, context):
    room = MAX_LENGTH - SPECIAL - min(question, MAX_QUESTION_LENGTH)
    count, start = 1, 0
    while start + room < context:
        start += min(room, DOC_STRIDE)
        count += 1
    return count


def main():
    tokenizer = tokenizers.Tokenizer.from_file(str(MIRROR / TOKENIZER))

    def lengths(texts):
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]

    counts = collections.defaultdict(lambda: {"questions": 0, "windows": 0})
    files = [MIRROR / "squad/dev-v1.1.json", *sorted(MIRROR.glob("xquad/xquad.*.json"))]
    files.append(MIRROR / "tydiqa-goldp/tydiqa-goldp-v1.1-dev.json")
    for path in files:
        data = json.loads(path.read_text())["data"]
        paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
        contexts = lengths([paragraph["context"] for paragraph in paragraphs])
        asked = [(at, qa) for at, paragraph in enumerate(paragraphs) for qa in paragraph["qas"]]
        questions = lengths([qa["question"].lstrip() for _, qa in asked])
        for (at, qa), question in zip(asked, questions):
            name = path.name
            if name.startswith("tydiqa"):
                name = "tydiqa " + qa["id"].split("-")[0]
            counts[name]["questions"] += 1
            counts[name]["windows"] += windows(question, contexts[at])
    settings = {"max_length": MAX_LENGTH, "doc_stride": DOC_STRIDE, "max_question_length": MAX_QUESTION_LENGTH}
    found = {"tokenizers": tokenizers.__version__, "tokenizer": TOKENIZER, **settings, "counts": counts}
    target = pathlib.Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
