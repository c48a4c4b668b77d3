"""Makes official_metrics.json: what the official scripts of MLQA and TriviaQA give for nasty predictions.

The scripts themselves are run, and are not part of this repository: mlqa_evaluation_v1.py of
facebookresearch/MLQA at 5ef5c73, and evaluation/triviaqa_evaluation.py of mandarjoshi90/triviaqa at
51b5359 with its utils/ at b2c0046. Their digests are kept with the numbers. Scores are stored as the
bits of a double, so that a reader cannot round them.

Run: python3 official_metrics.py mlqa_evaluation_v1.py TRIVIAQA_FOLDER   (no packages)
"""
import contextlib
import hashlib
import importlib.util
import io
import json
import pathlib
import platform
import random
import subprocess
import sys
import tempfile
import unicodedata

import squad_metrics
from squad_metrics import bits, disturbed, spaced, words_of

# Words in which each language's rules show, beside those of every script.
LANGUAGES = {
    "ar": "ال القاهرة مالطا الالعاب لا وال بال الأول اَل آل ١٢٣ ، ؟ ـ «الف» ﺍﻟ ال\u064e",
    "de": "der Die DAS den dem des ein EINE einen einem eines einer Ein-Mann der/die Straße STRASSE dér derder d\u0308er „Haus“ 1.000 €5",
    "en": "the A an The-end (a) a’s an… “the” a_b half‐life",
    "es": "un Una UNOS unas el La LOS las él lá ¿Qué? ¡el! del al El/La nin\u0303o niño el\u0301 1.º ª",
    "hi": "का की के एक वह । ॥ दिल्ली द\u093cिल्ली १२३ ५% ॐ नई-दिल्ली ‘एक’",
    "vi": "của CỦA là Là cái chiếc những NHỮNG cu\u0309a của-là láng la la\u0300 Việt Vie\u0323\u0302t Nam đồng",
    "zh": "北京 2008年 北京2008 奥林匹克Games 、 。 《红楼梦》 “引用” 龥 龦 一 〇 ・ 々 ㄅ Ａ１ the a，b ３．５ 臺灣 \U00020000 한국어 かな カ ﹙",
}
TRIVIA = "the_end _a_ a_the O'Brien O’Brien O‘Brien O´Brien O`Brien ´a´ ’the’ d'the'e U.S.A. USA rock-n-roll “a” «the» don_t 50,000 £5 A"


def nasty(random_, own):
    words = [random_.choice(own.split(" ")) for _ in range(random_.randint(0, 5))]
    if random_.random() < 0.4:
        words += words_of(random_, random_.choice(sorted(squad_metrics.WORDS)))
    random_.shuffle(words)
    return words


def predicted(random_, words):
    kind = random_.random()
    if kind < 0.05:
        return None
    if kind < 0.12:
        return random_.choice(["", " ", "\u3000", "?!", "…", "_", "ال", "der", "của là", "，", "the", "\x1c", "A an THE"])
    if kind < 0.2:
        return " ".join(words)
    return spaced(random_, disturbed(random_, words))


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder, name, value):
    path = folder / name
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def last_line(command, **options):
    done = subprocess.run([sys.executable, "-X", "utf8", *map(str, command)], check=True, capture_output=True, encoding="utf-8", **options)
    return done.stdout.strip().split("\n")[-1]


def mlqa(random_, script, folder, language):
    official = loaded(script)
    questions, predictions = [], {"nobody-asked": "x"}
    for number in range(48):
        words = nasty(random_, LANGUAGES[language])
        golds = [spaced(random_, disturbed(random_, words)) for _ in range(random_.randint(1, 3))]
        prediction = predicted(random_, words)
        entry = {"id": f"{language}{number}", "golds": golds, "prediction": prediction, "exact_match": False, "f1": bits(0.0)}
        if prediction is not None:
            predictions[entry["id"]] = prediction
            best = official.metric_max_over_ground_truths
            entry["exact_match"] = best(official.exact_match_score, prediction, golds, language)
            entry["f1"] = bits(float(best(official.f1_score, prediction, golds, language)))
        questions.append(entry)
    qas = [{"id": entry["id"], "answers": [{"text": gold} for gold in entry["golds"]]} for entry in questions]
    gold = written(folder, "gold.json", {"version": "1.0", "data": [{"paragraphs": [{"qas": qas}]}]})
    given = written(folder, "predictions.json", predictions)
    return {"language": language, "printed": last_line([script, gold, given, language]), "questions": questions}


def triviaqa(random_, root, folder, domain):
    official = loaded(root / "evaluation" / "triviaqa_evaluation.py")
    data, predictions, keys = [], {"nobody-asked": "x", "q0--no-such-page.txt": "x"}, []
    for number in range(90 if domain == "Wikipedia" else 40):
        words = nasty(random_, TRIVIA)
        answer = {"NormalizedAliases": [spaced(random_, disturbed(random_, words)) for _ in range(random_.randint(1, 4))]}
        if random_.random() < 0.3:
            answer["HumanAnswers"] = [spaced(random_, disturbed(random_, words)) for _ in range(random_.randint(0, 2))]
        pages = [{"Filename": f"Page_{number}_{page}.txt"} for page in range(random_.randint(0, 2))]
        results = [{"Filename": f"{number}/{number}_{page}.txt"} for page in range(random_.randint(0 if pages else 1, 2))]
        if domain == "Web" and pages and number % 10 == 0:
            results.append(dict(pages[0]))
        datum = {"QuestionId": f"q{number}", "Question": "?", "Answer": answer, "EntityPages": pages, "SearchResults": results}
        data.append(datum)
        names = [datum["QuestionId"]] if domain == "Wikipedia" else [f"q{number}--{page['Filename']}" for page in pages + results]
        for key in dict.fromkeys(names):
            prediction, score = predicted(random_, words), [False, bits(0.0)]
            if prediction is not None:
                predictions[key] = prediction
                golds, best = official.get_ground_truths(answer), official.metric_max_over_ground_truths
                score = [best(official.exact_match_score, prediction, golds), bits(float(best(official.f1_score, prediction, golds)))]
            keys.append([key, *score])
    file = {"Data": data, "Domain": domain, "VerifiedEval": False, "Version": 1.0}
    gold, given = written(folder, "gold.json", file), written(folder, "predictions.json", predictions)
    command = ["-m", "evaluation.triviaqa_evaluation", "--dataset_file", gold, "--prediction_file", given]
    printed = json.dumps(eval(last_line(command, cwd=root)))
    return {"file": file, "predictions": predictions, "keys": keys, "printed": printed}


def punctuation(script):
    """The characters that MLQA's script takes for punctuation, as ranges."""
    ranges = []
    for code in sorted(map(ord, loaded(script).PUNCT)):
        if ranges and ranges[-1][1] == code:
            ranges[-1][1] = code + 1
        else:
            ranges.append([code, code + 1])
    return ranges


def main():
    script, root = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    sys.path.insert(0, str(root))
    random_ = random.Random(1729)
    sources = [script, *(root / name for name in ["evaluation/triviaqa_evaluation.py", "utils/dataset_utils.py", "utils/utils.py"])]
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder = pathlib.Path(name)
        lists = {
            "mlqa": [mlqa(random_, script, folder, language) for language in LANGUAGES],
            "triviaqa": [triviaqa(random_, root, folder, domain) for domain in ["Wikipedia", "Web"]],
        }
    golden = {
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "sha256": {source.name: hashlib.sha256(source.read_bytes()).hexdigest() for source in sources},
        "punctuation": punctuation(script),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    lines += [f"{json.dumps(key)}: [\n" + ",\n".join(map(json.dumps, value)) + "\n]" for key, value in lists.items()]
    pathlib.Path(__file__).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(*[entry["printed"] for entry in lists["mlqa"] + lists["triviaqa"]], sep="\n")


if __name__ == "__main__":
    main()
