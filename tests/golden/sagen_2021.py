"""Writes sagen_2021.json: what the original work's data steps give with the libraries that it used.

    python3.8 -m venv old && old/bin/pip install transformers==3.4.0 tokenizers==0.9.2 six "protobuf<3.21"
    LONGQA_MIRROR=<data folder> old/bin/python tests/golden/sagen_2021.py

The steps are those of finetune_qa_models.py, restated: the pair cut at max_length; the answer's first and
last character looked up in the context alone and moved behind the first separator; questions left out
where there is no such token, or the last is behind position 4096; answers by decoding tokens that were
joined by spaces and split again. No model is involved. The questions are our own. Of the real data files
only the counts of questions left out and digests of all sequences and positions are kept.
"""

import base64
import hashlib
import json
import os
import pathlib
import tempfile

import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

assert (transformers.__version__, tokenizers.__version__) == ("3.4.0", "0.9.2")
MIRROR = pathlib.Path(os.environ["LONGQA_MIRROR"])
LENGTHS = [20, 48, 512]
LANGUAGES = "ar de el en es hi ro ru th tr vi zh".split()
FILES = ["squad/dev-v1.1.json", *(f"xquad/xquad.{language}.json" for language in LANGUAGES),
         "tydiqa-goldp/tydiqa-goldp-v1.1-dev.json"]

# Question, context, answer; the answer is where it first occurs.
QUESTIONS = [
    ("Where is Mira?", "Mira is in Oslo, and Ivo is in Rome.", "Oslo"),
    ("Who is in Rome?", "Mira is in Oslo, and Ivo is in Rome.", "Ivo"),
    ("Who?", "Mira is in Oslo.", "Mira"),
    ("Where does it end?", "Mira is in Oslo.", "Oslo."),
    ("A space before?", "Mira is in Oslo, and Ivo is in Rome.", " Oslo"),
    ("A space behind?", "Mira is in Oslo, and Ivo is in Rome.", "Mira "),
    ("  Spaces in  the question? ", "Two  spaces,   and a\ttab and a\nline.", "tab"),
    ("Part of a word?", "The harbourmaster keeps the lighthouse.", "master"),
    ("How many?", "It has 3,140 metres and 27.5 kilometres of 1/2 inch cable.", "27.5"),
    ("Whose?", "It's the keeper's boat; they're sure, he isn't.", "keeper's"),
    ("What did she say?", "She said \"don't go\" to him , twice .", "don't go"),
    ("Far behind?", " ".join("The ferry number %d goes to harbour %d." % (n, n * 7 % 23) for n in range(90)), "harbour 9."),
    ("Cut?", " ".join("The ferry number %d goes to harbour %d." % (n, n * 7 % 23) for n in range(90)), "number 63"),
    ("Behind 4096?", " ".join("Ferry %d goes to harbour %d." % (n, n * 7 % 23) for n in range(700)), "Ferry 690"),
    ("A question that is much longer than its context is, so that it is the one that has to be cut down?", "Short, in Oslo.", "Oslo"),
    ("A question about as long as its context, both of them a little too long for the room?",
     "A context about as long as its question, and the answer at the end, in Oslo.", "Oslo"),
    ("¿Dónde está el río?", "El río Ñandú está en la región de Córdoba.", "Córdoba"),
    ("Wo ist sie?", "Die Straße führt über Köln nach Zürich.", "Zürich"),
    ("Where, decomposed?", "Zu\u0308rich ist gro\u00df, Ko\u0308ln auch.", "Ko\u0308ln"),
    ("Ends in a mark?", "Ana vive en Bogota\u0301 y Cali.", "Bogota\u0301"),
    ("Begins with a mark?", "The mark e\u0301 is an accent.", "\u0301"),
    ("Behind a fraction?", "It takes ½ cup of sugar and ¼ cup of milk… stir well.", "milk"),
    ("Many fractions?", "½ ⅓ ¼ ½ ⅓ ¼ ½ ⅓ ¼ and a pot of tea with honey", "tea"),
    ("Behind a ligature?", "The ﬁrst ﬂoor oﬃce is in Paris™ of course.", "Paris"),
    ("Πού είναι;", "Ο Οδυσσέας είναι στην Ιθάκη.", "Ιθάκη"),
    ("Где он?", "Иво живёт в Санкт-Петербурге, е\u0308лка тоже.", "Санкт-Петербурге"),
    ("首都在哪里？", "中国的首都是北京，上海是最大的城市。", "北京"),
    ("どこですか。", "東京タワーは、ｶﾞｷﾞの近くにある。", "近く"),
    ("어디에 있나요?", "대한민국의 수도는 서울이다.", "서울"),
    ("नदी कहाँ है?", "नदी गाँव के पास है, और सड़क पहाड़ पर है।", "पहाड़"),
    ("नदी कहाँ?", "क\u093cलम और ज\u093cमीन गाँव के पास है।", "गाँव"),
    ("เมืองอยู่ที่ไหน", "เมืองน้ำดำอยู่ใกล้แม่น้ำสำคัญที่กรุงเทพ", "กรุงเทพ"),
    ("แม่น้ำอะไร", "น้ำ ทำ จำ คำ และ แม่น้ำปิง", "ปิง"),
    ("أين المدينة؟", "المدينة الجميلة في شمال السَّلَام.", "شمال"),
    ("איפה?", "שָׁלוֹם לעולם מתל אביב.", "תל"),
    ("ở đâu?", "Việt Nam có Ha\u0300 No\u0323\u0302i và Huế.", "Huế"),
    ("nerede?", "İstanbul ve IĞDIR Türkiye'de.", "IĞDIR"),
    ("An emoji?", "I like 👩‍👩‍👧 and 🇳🇴 flags.", "🇳🇴"),
    ("Ｗｉｄｅ？", "Ｆｕｌｌ　ｗｉｄｔｈ　１２３ here", "１２３"),
    ("Zero width?", "zero\u200bwidth\ufeff and\u200e marks", "marks"),
    ("A literal </s> in it?", "The text has a literal <mask> in Oslo.", "Oslo"),
    ("A control character?", "\u001eMira is in \u0007Oslo.", "Oslo"),
]


def roberta():
    folder = MIRROR / "tokenizers/roberta-base"
    # do_lowercase, as the original work gives it: it changes nothing.
    given = dict(vocab_file=str(folder / "vocab.json"), merges_file=str(folder / "merges.txt"))
    lowering, plain = (transformers.RobertaTokenizerFast(**given, do_lowercase=flag) for flag in (True, False))
    assert lowering.encode("Mira is in OSLO") == plain.encode("Mira is in OSLO")
    # from_pretrained does it.
    plain.sanitize_special_tokens()
    return plain


def xlm_roberta():
    """As transformers 3.4.0 makes it of sentencepiece.bpe.model."""
    file = MIRROR / "tokenizers/xlm-roberta-base/tokenizer.reconstructed.json"
    layout = json.loads(file.read_text(encoding="utf-8"))
    backend = Tokenizer(models.Unigram([tuple(piece) for piece in layout["model"]["vocab"]], 3))
    backend.normalizer = normalizers.Precompiled(base64.b64decode(layout["normalizer"]["precompiled_charsmap"]))
    metaspace = dict(replacement="▁", add_prefix_space=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**metaspace)])
    backend.decoder = decoders.Metaspace(**metaspace)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)])
    with tempfile.TemporaryDirectory() as folder:
        backend.save(f"{folder}/tokenizer.json")
        names = dict(bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>",
                     pad_token="<pad>", mask_token="<mask>")
        make = lambda flag: transformers.PreTrainedTokenizerFast(
            tokenizer_file=f"{folder}/tokenizer.json", do_lowercase=flag, **names)
        assert make(True).encode("Mira is in OSLO") == make(False).encode("Mira is in OSLO")
        return make(False)


def place(context, text, start):
    """The reference's get_correct_alignement."""
    for step in (0, 1, 2):
        if context[start - step:start - step + len(text)] == text:
            return start - step, start - step + len(text)
    raise ValueError(text)


def pair_ids(tokenizer, question, context, max_length):
    encoding = tokenizer.encode_plus(
        question, context, padding="max_length", max_length=max_length, truncation=True
    )
    assert len(encoding["input_ids"]) == max_length
    return [token for token, real in zip(encoding["input_ids"], encoding["attention_mask"]) if real]


def label(tokenizer, context_encoding, ids, span):
    """First and last position, or None for a question left out."""
    first, last = (context_encoding.char_to_token(at) for at in (span[0], span[1] - 1))
    if first is None or last is None:
        return None
    behind = ids.index(tokenizer.sep_token_id) + 1
    return None if last + behind > 4096 else [first + behind, last + behind]


def decoded(tokenizer, ids, first, last):
    tokens = tokenizer.convert_ids_to_tokens(ids)
    return tokenizer.decode(tokenizer.convert_tokens_to_ids(" ".join(tokens[first:last + 1]).split()))


def of_questions(tokenizer):
    rows = []
    for question, context, answer in QUESTIONS:
        span = place(context, answer, context.index(answer))
        alone = tokenizer.encode_plus(context)
        row = []
        for max_length in LENGTHS:
            ids = pair_ids(tokenizer, question, context, max_length)
            row.append({"input_ids": ids, "answer": label(tokenizer, alone, ids, span)})
        ids = row[1]["input_ids"]
        stretches = [(0, len(ids) - 1), (1, 4), (3, 9), (5, 5), (6, len(ids) - 2), (7, 12), (9, 3)]
        rows.append({"lengths": row, "decoded": [[first, last, decoded(tokenizer, ids, first, last)] for first, last in stretches]})
    return rows


def of_file(tokenizer, path):
    sequences, labels = hashlib.sha256(), hashlib.sha256()
    counts = {"questions": 0, "left_out": 0, "start_cut_off": 0, "end_cut_off": 0}
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            alone = tokenizer.encode_plus(context)
            for question in paragraph["qas"]:
                answer = question["answers"][0]
                ids = pair_ids(tokenizer, question["question"], context, 512)
                found = label(tokenizer, alone, ids, place(context, answer["text"], answer["answer_start"]))
                counts["questions"] += 1
                if found is None:
                    counts["left_out"] += 1
                    continue
                counts["start_cut_off"] += found[0] >= 512
                counts["end_cut_off"] += found[1] >= 512
                sequences.update((" ".join(map(str, ids)) + "\n").encode())
                labels.update(f"{question['id']} {found[0]} {found[1]}\n".encode())
    return {**counts, "sequences": sequences.hexdigest(), "labels": labels.hexdigest()}


def main():
    golden = {"questions": QUESTIONS, "lengths": LENGTHS}
    for name, tokenizer in (("roberta-base", roberta()), ("xlm-roberta-base", xlm_roberta())):
        files = {}
        for file in FILES:
            files[file] = of_file(tokenizer, MIRROR / file)
            print(name, file, files[file], flush=True)
        golden[name] = {"questions": of_questions(tokenizer), "files": files}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
