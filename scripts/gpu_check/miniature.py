"""A small random model and generated text, made here: nothing is downloaded."""

import json
import random

SYLLABLES = ["ka", "lo", "mi", "ren", "tu", "sa", "vel", "no", "pri", "da", "go", "hes"]
WORDS = 500  # of the tokenizer; a text of so few syllables may give fewer
ROBERTA = {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
           "intermediate_size": 1024, "max_position_embeddings": 130, "type_vocab_size": 1, "pad_token_id": 1,
           "bos_token_id": 0, "eos_token_id": 2}


def text(stream, articles):
    """Sentences in which the verb and the object follow from the subject: there is something to learn."""
    words = ["".join(stream.choices(SYLLABLES, k=3)) for _ in range(200)]
    lines = []
    for _ in range(articles):
        lines.append(f" = {stream.choice(words)} = ")
        for _ in range(60):
            subject = stream.randrange(100)
            verb, thing = (7 * subject + 3) % 100, (11 * subject + stream.randrange(3)) % 100
            lines.append(f" The {words[subject]} {words[100 + verb]} the {words[100 + thing]} .")
    return "\n".join(lines) + "\n"


def make(folder, dropout):
    """A RoBERTa with random weights and a byte-level tokenizer of its own in `folder`/model, text beside it."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForMaskedLM
    from transformers.utils import logging

    logging.disable_progress_bar()

    model = folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    stream = random.Random(7)
    for name, articles in ("train.raw", 400), ("valid.raw", 8):
        (folder / name).write_text(text(stream, articles))
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train([str(folder / "train.raw")], vocab_size=WORDS, show_progress=False,
                    special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save_model(str(model))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}))
    torch.manual_seed(7)
    config = RobertaConfig(**ROBERTA, vocab_size=tokenizer.get_vocab_size(), hidden_dropout_prob=dropout,
                           attention_probs_dropout_prob=dropout)
    RobertaForMaskedLM(config).save_pretrained(model)
    return model
