"""Makes squad_metrics.json: what SQuAD's evaluate-v1.1 gives for nasty predictions.

A reference scorer written from the published definition of evaluate-v1.1: lower, remove ASCII
punctuation, remove the articles a/an/the as whole words, collapse white space; exact match and the
F1 of token counts; each question takes its best gold answer; a question without a prediction
counts as nothing. Numbers are stored as the bits of a double, so that a reader cannot round them.

Run: python3 squad_metrics.py   (no packages; the file names the Python and Unicode version)
"""
import collections
import hashlib
import json
import pathlib
import platform
import random
import re
import string
import struct
import unicodedata

ARTICLE = re.compile(r"\b(a|an|the)\b", re.UNICODE)
PUNCTUATION = frozenset(string.punctuation)


def normalize(answer):
    lowered = answer.lower()
    bare = "".join(c for c in lowered if c not in PUNCTUATION)
    return " ".join(ARTICLE.sub(" ", bare).split())


def f1(prediction, gold):
    ours, theirs = normalize(prediction).split(), normalize(gold).split()
    same = sum((collections.Counter(ours) & collections.Counter(theirs)).values())
    if same == 0:
        return 0.0
    precision, recall = 1.0 * same / len(ours), 1.0 * same / len(theirs)
    return (2 * precision * recall) / (precision + recall)


def score(prediction, golds):
    exact = max(normalize(prediction) == normalize(gold) for gold in golds)
    return exact, max(f1(prediction, gold) for gold in golds)


def bits(number):
    return struct.pack(">d", number).hex()


WORDS = {
    "latin": "the a an The AN A' an' a-b the-end Straße STRASSE İstanbul ıssız naïve nai\u0308ve ﬁn ŒUVRE ǅ 1990s $5 U.S. don't rock'n'roll",
    "greek": "ΟΔΟΣ οδος ΣΑΣ Σ Σα αΣ ΑΣ.Α ΑΣ\u0301 α\u0345Σ Η ΑΘΗΝΑ ᾈ ΐ",
    "cyrillic": "Осло ОСЛО ёж Ё и\u0306 А а Ⱥ Ꙁ",
    "hebrew": "שָׁלוֹם ירושלים אב״ג ״צה״ל",
    "arabic": "ال القاهرة مُنى ١٢٣ لا، ـة",
    "devanagari": "दिल्ली में मीरा १२३ क\u093cखा ।",
    "thai": "กรุงเทพ ปี ๒๕๐๐ น้ำ",
    "cjk": "東京 とうきょう か\u3099き 米拉、 「引用」 。 ３ Ａ ａ a東 a、b",
    "korean": "서울 \u1109\u1165\u110b\u116e\u11af",
    "odd": "² ½ Ⅻ ⅻ ① _a_ a_the the_ \u00ad a\u200da a\u200ca the\u200b \ufeffa a\u0301 a\u20dd 𝐚 𝐀 𐐀 𐐨 😀 a😀the 👩\u200d🚀 \ue000 \ufffd “a” ‘the’ – — … « » ¿a ª º ʰ",
}
SPACES = [" ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u2009", "\u2028", "\x1c", "\x1f", "\x85", "\x0b", "\u180e", "\u200b"]


def words_of(random_, script):
    words = WORDS[script].split(" ")
    return [random_.choice(words) for _ in range(random_.randint(0, 6))]


def spaced(random_, words):
    text = "".join(random_.choice(SPACES) + word for word in words)
    return text[1:] if random_.random() < 0.7 else text


def disturbed(random_, words):
    words = list(words)
    for _ in range(random_.randint(0, 2)):
        kind = random_.randrange(5)
        if kind == 0:
            words.insert(random_.randint(0, len(words)), random_.choice(["a", "An", "THE", "the,", "(a)", "Σ"]))
        elif kind == 1 and words:
            words.pop(random_.randrange(len(words)))
        elif kind == 2 and words:
            words.append(random_.choice(words))
        elif kind == 3 and words:
            place = random_.randrange(len(words))
            words[place] = words[place] + random_.choice(string.punctuation + "…、。٫´`")
        elif kind == 4 and words:
            place = random_.randrange(len(words))
            words[place] = random_.choice([words[place].upper(), words[place].swapcase(), words[place].title()])
    return words


def questions(random_):
    for number in range(420):
        scripts = random_.sample(sorted(WORDS), random_.choice([1, 1, 2]))
        words = [word for script in scripts for word in words_of(random_, script)]
        golds = [spaced(random_, disturbed(random_, words)) for _ in range(random_.randint(1, 3))]
        prediction = spaced(random_, disturbed(random_, words)) if random_.random() < 0.93 else random_.choice(["", " ", "the", "a an the", "!?", "\x1c"])
        yield {"id": f"q{number}", "prediction": prediction if random_.random() < 0.96 else None, "golds": golds}


def scored(entries):
    exact_sum, f1_sum = 0, 0
    for entry in entries:
        if entry["prediction"] is None:
            entry["exact_match"], entry["f1"] = False, bits(0.0)
            continue
        exact, best = score(entry["prediction"], entry["golds"])
        entry["exact_match"], entry["f1"] = exact, bits(best)
        exact_sum += exact
        f1_sum += best
    total = len(entries)
    return {"exact_match": 100.0 * exact_sum / total, "f1": 100.0 * f1_sum / total, "total": total}


# Two characters whose effect on a neighbouring final sigma was changed after Unicode 14 (U+0295 is no
# longer cased, U+1171E no longer ignored), so that Pythons disagree among themselves.
CHANGED = {0x295, 0x1171E}


def character_table():
    """For each run of assigned characters, and for each 4096 of them, a digest of what Python makes of each."""
    assigned, blocks = [], []
    for block in range(0, 0x110000, 0x1000):
        lines = hashlib.sha256()
        any_ = False
        for code in range(block, block + 0x1000):
            c = chr(code)
            if unicodedata.category(c) in ("Cn", "Cs", "Co") or code in CHANGED:
                continue
            any_ = True
            if assigned and assigned[-1][1] == code:
                assigned[-1][1] = code + 1
            else:
                assigned.append([code, code + 1])
            word, space = c.isalnum(), not c.split()
            probes = [c, "a" + c + "Σ", "Σ" + c + "a", "aΣ" + c, c + "Σ", "a" + c + " the" + c]
            line = f"{code:x} {int(word)}{int(space)} " + "|".join(probe.lower() for probe in probes) + "|" + normalize(probes[-1]) + "\n"
            lines.update(line.encode())
        if any_:
            blocks.append([block, lines.hexdigest()[:16]])
    return {"assigned": assigned, "blocks": blocks}


def main():
    random_ = random.Random(1729)
    entries = list(questions(random_))
    totals = scored(entries)
    golden = {
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "printed": json.dumps(totals),
        "exact_match": bits(totals["exact_match"]),
        "f1": bits(totals["f1"]),
        "total": totals["total"],
        "questions": entries,
        "representations": [[bits(x), repr(x)] for x in [0.0, 100.0, 81.0, 1 / 3, 1e-4, 9.9e-5, 1e-5, 1.5e-7, 100 / 10570, 2.5e-300, 1e15, 1e16, 123456789012345680.0]],
        "characters": character_table(),
    }
    target = pathlib.Path(__file__).with_suffix(".json")
    with target.open("w", encoding="utf-8") as file:
        file.write("{\n")
        parts = [f"{json.dumps(key)}: " + ("[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]" if key == "questions" else json.dumps(value)) for key, value in golden.items()]
        file.write(",\n".join(parts) + "\n}\n")
    print(totals, len(json.dumps(golden)))


if __name__ == "__main__":
    main()
