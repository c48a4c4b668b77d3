"""Writes tokenizer_offsets.json: what transformers' fast tokenizers say about strings of many scripts.

    LONGQA_MIRROR=<data folder> python tests/golden/tokenizer_offsets.py

Needs transformers (any 4.x or 5.x). Offsets are in characters. The strings are our own.
"""

import json
import os
import pathlib

from transformers import PreTrainedTokenizerFast

MIRROR = pathlib.Path(os.environ["LONGQA_MIRROR"]) / "tokenizers"
TOKENIZERS = {
    "roberta-base": "roberta-base/tokenizer.json",
    "xlm-roberta-base": "xlm-roberta-base/tokenizer.reconstructed.json",
}

STRINGS = [
    "",
    " ",
    "Oslo",
    " Oslo",
    "Where is Mira? Mira is in Oslo.",
    "Two  spaces,   three\tand a tab",
    "line one\nline two\n\n\nline five\n",
    "carriage\r\nreturn \r end",
    "It's we're I'd they'll 's 'S",
    "3.14159, 1,000,000 and 50%",
    "naïve café Zürich Ærø",
    "cafe\u0301 noir, Zu\u0308rich",
    "a\u0301b a\u0301",
    "Việt Nam và Hà Nội",
    "Vie\u0323\u0302t Nam va\u0300 Ha\u0300 No\u0323\u0302i",
    "Ελλάδα και Αθήνα",
    "ΐ ᾧ ὕδωρ",
    "Москва и Санкт-Петербург",
    "ёлка е\u0308лка",
    "中国的首都是北京。",
    "東京タワーは、高い。ｶﾞｷﾞ",
    "대한민국 서울",
    "नमस्ते दुनिया, क़लम क\u093cलम",
    "ভাষা বাংলা",
    "สวัสดีครับ นำ้ น้ำ",
    "العربية لغة جميلة",
    "السَّلَامُ عَلَيْكُمْ",
    "עברית שָׁלוֹם",
    "فارسی می\u200cخواهم",
    "తెలుగు భాష",
    "தமிழ் மொழி",
    "Türkçe İstanbul ığüşöç",
    "ﬁne ﬂow ½ ⅓ ² … ™ №",
    "Ｆｕｌｌ　ｗｉｄｔｈ　１２３",
    "no\u00a0break\u202fspace\u2003em",
    "zero\u200bwidth\ufeff and\u200e marks",
    "soft\u00adhyphen",
    "😀 👍🏽 👩‍👩‍👧 🇳🇴",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠀀",
    "x² + y² = z², ∑ ∞ → ←",
    "literal <s> and </s> and <mask> here",
    "<mask> first, last <mask>",
    "quote “curly” ‘single’ — dash – en",
    "http://example.org/a?b=c&d=e#f",
    "e\u0301\u0301\u0301 stacked o\u0323\u0323 marks",
]

LONG = [
    ("Where is the ferry?", " ".join(f"The ferry number {n} goes to harbour {n * 7 % 23}." for n in range(11))),
    ("  ¿Dónde está el río?", " ".join(f"El río {n} está en la región número {n * n}." for n in range(11))),
    ("नदी कहाँ है?", " ".join(f"नदी {n} गाँव {n * 3} के पास है।" for n in range(11))),
    ("塔在哪里？", "".join(f"第{n}座塔在城市{n * 5}的东边。" for n in range(13))),
    ("Short?", "One window is enough."),
]
MAX_LENGTH, DOC_STRIDE = 64, 16


def encoded(tokenizer, text):
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return {"ids": encoding["input_ids"], "offsets": encoding["offset_mapping"]}


def windows(tokenizer, question, context):
    question = question.lstrip()
    room = MAX_LENGTH - 4 - len(tokenizer(question, add_special_tokens=False)["input_ids"])
    encoding = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=MAX_LENGTH,
        stride=room - DOC_STRIDE,  # transformers' stride is the overlap
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows = []
    for index, ids in enumerate(encoding["input_ids"]):
        inside = [place for place, part in enumerate(encoding.sequence_ids(index)) if part == 1]
        offsets = [encoding["offset_mapping"][index][place] for place in inside]
        rows.append({"input_ids": ids, "context_position": inside[0], "context_offsets": offsets})
    return rows


def main():
    golden = {"strings": STRINGS, "questions": LONG, "max_length": MAX_LENGTH, "doc_stride": DOC_STRIDE}
    for name, file in TOKENIZERS.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(MIRROR / file), model_max_length=1 << 20)
        golden[name] = {
            "strings": [encoded(tokenizer, text) for text in STRINGS],
            "windows": [windows(tokenizer, *pair) for pair in LONG],
        }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
