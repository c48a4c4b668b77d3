"""Golden files for tests/model_parity.rs: small random models computed by transformers.

Run from this folder: OMP_NUM_THREADS=2 python model_parity.py (torch 2.11, transformers 5; with that many
threads a rerun changes no bit). For each model it writes
  model_parity/NAME/config.json, model.safetensors   as transformers saves a masked language model
  model_parity/NAME/expected.safetensors             inputs, hidden states, logits, losses, gradients
and, for the conversion of the RoBERTa (converted) and of the BERT (converted-bert) to a Longformer of 120
tokens with window 20,
  model_parity/converted.json                        its tensors' names and shapes
  model_parity/converted.safetensors                 inputs, hidden states, for BERT logits
Every bias and LayerNorm weight is random, so that nothing hides behind a zero or a one.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    LongformerConfig,
    LongformerForMaskedLM,
    LongformerForQuestionAnswering,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForQuestionAnswering,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaForQuestionAnswering,
)

HERE = Path(__file__).parent / "model_parity"
SIZES = dict(
    vocab_size=60, hidden_size=32, num_attention_heads=4, intermediate_size=40, type_vocab_size=1,
    layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
)


def randomize(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
            else:
                # Large enough that attention is far from uniform.
                parameter.copy_(0.3 * torch.randn_like(parameter))
    model.tie_weights()


def inputs(lengths, global_positions):
    length = max(lengths)
    input_ids = torch.randint(3, 60, (len(lengths), length))
    attention_mask = torch.ones_like(input_ids)
    global_attention = torch.zeros_like(input_ids)
    for row, real in enumerate(lengths):
        input_ids[row, real:] = 1
        attention_mask[row, real:] = 0
        global_attention[row, global_positions[row]] = 1
    labels = torch.full_like(input_ids, -100)
    masked = (torch.rand(input_ids.shape) < 0.15) & (attention_mask == 1)
    labels[masked] = torch.randint(3, 60, (int(masked.sum()),))
    return input_ids, attention_mask, global_attention, labels


def gradients(model, loss, label, of=""):
    """Of every parameter with `of` in its name."""
    model.zero_grad()
    loss.backward()
    # A tied tensor is listed under the name that comes first in the model, which differs among models.
    first = {"lm_head.decoder.weight": f"{model.base_model_prefix}.embeddings.word_embeddings.weight",
             "lm_head.decoder.bias": "lm_head.bias", "cls.predictions.decoder.bias": "cls.predictions.bias"}
    return {
        f"{label}.gradient.{first.get(name, name)}": parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if of in name
    }


def write(name, config, masked_class, qa_class, lengths, global_positions=None, second_segments=None):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    is_long = global_positions is not None
    masked_lm = masked_class(config)
    randomize(masked_lm)
    masked_lm.save_pretrained(folder)
    qa = qa_class(config)
    randomize(qa)
    encoder = masked_lm.base_model.state_dict()
    qa.base_model.load_state_dict(encoder)
    # Longformer's softmax is in 32 bits whatever the model's type, where 64-bit masks overflow to NaN.
    dtype = torch.float32 if is_long else torch.float64
    masked_lm, qa = masked_lm.to(dtype).eval(), qa.to(dtype).eval()

    input_ids, attention_mask, global_attention, labels = inputs(lengths, global_positions or [[]] * len(lengths))
    marks = dict(global_attention_mask=global_attention) if is_long else {}
    no_marks = dict(global_attention_mask=torch.zeros_like(global_attention)) if is_long else {}
    given = dict(input_ids=input_ids, attention_mask=attention_mask)
    if second_segments is not None:
        # A text may hold the token that is padding elsewhere; BERT numbers it as any other.
        input_ids[0, 5] = config.pad_token_id
        # Where each row's second segment begins; padding is of the first type, as tokenizers pad.
        place = torch.arange(input_ids.shape[1])
        given["token_type_ids"] = torch.stack([place >= start for start in second_segments]).long() * attention_mask

    output = masked_lm(**given, **marks, labels=labels, output_hidden_states=True)
    tensors = {
        **given, "global_attention": global_attention, "labels": labels,
        "hidden": output.hidden_states[-1],
        "masked_lm.logits": output.logits[labels != -100],
        "masked_lm.loss": output.loss.reshape(1), **gradients(masked_lm, output.loss, "masked_lm"),
    }
    if is_long:
        tensors["hidden.without_globals"] = masked_lm(**given, **no_marks, output_hidden_states=True).hidden_states[-1]
    # The same without padding: every token is real and the shapes of masks differ.
    full = {name: tensor[:1] for name, tensor in given.items()}
    full |= dict(input_ids=input_ids[:1].clamp(min=3), attention_mask=torch.ones_like(attention_mask[:1]))
    no_marks = {name: marks[:1] for name, marks in no_marks.items()}
    tensors["hidden.without_padding"] = masked_lm(**full, **no_marks, output_hidden_states=True).hidden_states[-1]
    starts = torch.tensor([real // 3 for real in lengths])
    ends = torch.tensor([real // 2 for real in lengths])
    output = qa(**given, **marks)
    # transformers lets answers stand in the padding; ours are found among real tokens, however far a batch is padded.
    real = lambda logits: logits.masked_fill(attention_mask == 0, float("-inf"))
    qa_loss = (cross_entropy(real(output.start_logits), starts) + cross_entropy(real(output.end_logits), ends)) / 2
    tensors |= {
        "qa_outputs.weight": qa.qa_outputs.weight, "qa_outputs.bias": qa.qa_outputs.bias,
        "start_positions": starts, "end_positions": ends, "qa.start": output.start_logits,
        "qa.end": output.end_logits, "qa.loss": qa_loss.reshape(1), **gradients(qa, qa_loss, "qa", of="qa_outputs"),
    }
    tensors = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).detach().contiguous()
        for name, tensor in tensors.items()
    }
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    save_file(tensors, folder / "expected.safetensors")


torch.manual_seed(20)
write(
    "roberta", RobertaConfig(**SIZES, num_hidden_layers=2, max_position_embeddings=52),
    RobertaForMaskedLM, RobertaForQuestionAnswering, [50, 31, 7],
)
write(
    "xlm-roberta", XLMRobertaConfig(**SIZES, num_hidden_layers=1, max_position_embeddings=40),
    XLMRobertaForMaskedLM, XLMRobertaForQuestionAnswering, [11, 38],
)
# Long enough for several blocks of queries; the last row has no global token, the others have them
# at the front, in the middle and at the end.
write(
    "longformer", LongformerConfig(**SIZES, num_hidden_layers=2, max_position_embeddings=132, attention_window=[4, 16]),
    LongformerForMaskedLM, LongformerForQuestionAnswering, [97, 130, 60],
    global_positions=[[0, 1, 2, 40, 41, 96], [75], []],
)


def convert(source, max_position, window):
    """The Longformer recipe by hand, on transformers' own model."""
    short = RobertaForMaskedLM.from_pretrained(HERE / source)
    config = LongformerConfig(
        **SIZES, num_hidden_layers=2, max_position_embeddings=max_position + 2, attention_window=window
    )
    state = {name.replace("roberta.", "longformer.", 1): tensor for name, tensor in short.state_dict().items()}
    for name in list(state):
        for which in ("query", "key", "value"):
            if f".self.{which}." in name:
                state[name.replace(which, f"{which}_global")] = state[name].clone()
    positions = "longformer.embeddings.position_embeddings.weight"
    old = state[positions]
    new = old.new_zeros(max_position + 2, old.shape[1])
    new[:2] = old[:2]
    k, step = 2, len(old) - 2
    while k < len(new):
        new[k:k + step] = old[2:2 + len(new[k:k + step])]
        k += step
    state[positions] = new
    long = LongformerForMaskedLM(config).eval()
    long.load_state_dict(state)
    input_ids, attention_mask, global_attention, _ = inputs([120, 70], [[0, 5, 60], [1]])
    hidden = long(
        input_ids=input_ids, attention_mask=attention_mask, global_attention_mask=global_attention,
        output_hidden_states=True,
    ).hidden_states[-1]
    save_file(
        dict(input_ids=input_ids, attention_mask=attention_mask, global_attention=global_attention,
             hidden=hidden.detach().contiguous()),
        HERE / "converted.safetensors",
    )
    saved = HERE / "saved"
    long.save_pretrained(saved)
    with safe_open(saved / "model.safetensors", "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    shutil.rmtree(saved)
    (HERE / "converted.json").write_text(json.dumps(shapes, indent=0, sort_keys=True) + "\n")


convert("roberta", max_position=120, window=20)

# Last, so that the models above stay what they are. The head has the encoder's activation; the last row is
# one segment.
write(
    "bert",
    BertConfig(
        **SIZES | dict(type_vocab_size=2, layer_norm_eps=1e-12, pad_token_id=0, bos_token_id=None, eos_token_id=None),
        num_hidden_layers=2, max_position_embeddings=50, hidden_act="gelu_new", classifier_dropout=0.2,
    ),
    BertForMaskedLM, BertForQuestionAnswering, [50, 31, 7], second_segments=[12, 20, 50],
)


def convert_bert(max_position, window):
    """The same for BERT: other names, and positions that do not begin at 0 any more."""
    short = BertForMaskedLM.from_pretrained(HERE / "bert").eval()
    sizes = SIZES | dict(type_vocab_size=2, layer_norm_eps=1e-12, pad_token_id=0, bos_token_id=2, eos_token_id=3)
    config = LongformerConfig(
        **sizes, num_hidden_layers=2, max_position_embeddings=max_position + 1, attention_window=window,
        hidden_act="gelu_new", sep_token_id=3,
    )
    renamed = {
        "bert.": "longformer.", "cls.predictions.transform.dense.": "lm_head.dense.",
        "cls.predictions.transform.LayerNorm.": "lm_head.layer_norm.", "cls.predictions.decoder.": "lm_head.decoder.",
        "cls.predictions.bias": "lm_head.bias",
    }
    state = {}
    for name, tensor in short.state_dict().items():
        for old, new in renamed.items():
            if name.startswith(old):
                state[new + name.removeprefix(old)] = tensor
    for name in list(state):
        for which in ("query", "key", "value"):
            if f".self.{which}." in name:
                state[name.replace(which, f"{which}_global")] = state[name].clone()
    positions = "longformer.embeddings.position_embeddings.weight"
    tiled = state[positions].repeat(max_position // len(state[positions]) + 1, 1)[:max_position]
    # Longformer's first token has the row behind padding's, which is row 0 and nobody else's.
    state[positions] = torch.cat([torch.zeros_like(tiled[:1]), tiled])
    long = LongformerForMaskedLM(config).eval()
    print(long.load_state_dict(state))

    input_ids, attention_mask, global_attention, _ = inputs([120, 70], [[0, 5, 60], [1]])
    token_type_ids = torch.stack([torch.arange(120) >= 30, torch.arange(120) >= 8]).long() * attention_mask
    given = dict(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
    output = long(**given, global_attention_mask=global_attention, output_hidden_states=True)
    # Inside one window and without global tokens it is the BERT that it was made of.
    small = {name: tensor[:, :10] for name, tensor in given.items()}
    none = torch.zeros_like(small["input_ids"])
    theirs = short(**small, output_hidden_states=True).hidden_states[-1]
    ours = long(**small, global_attention_mask=none, output_hidden_states=True).hidden_states[-1]
    assert (ours - theirs).abs().max() < 1e-5, (ours - theirs).abs().max()
    save_file(
        dict(**given, global_attention=global_attention, hidden=output.hidden_states[-1].detach().contiguous(),
             logits=output.logits[attention_mask == 1].detach().contiguous()),
        HERE / "converted-bert.safetensors",
    )
    saved = HERE / "saved"
    long.save_pretrained(saved)
    with safe_open(saved / "model.safetensors", "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    shutil.rmtree(saved)
    (HERE / "converted-bert.json").write_text(json.dumps(shapes, indent=0, sort_keys=True) + "\n")


convert_bert(max_position=120, window=20)
