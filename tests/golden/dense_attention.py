"""Writes model_parity/dense.safetensors for tests/model_parity.rs: transformers' RobertaForQuestionAnswering with
the weights of model_parity/longformer, which model_parity.py wrote, and its question-answering head: the
local projections with full attention, the global ones left out. The names of its tensors are kept too.

Run from this folder: python dense_attention.py (torch 2.11, transformers 5).
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import RobertaConfig, RobertaForQuestionAnswering

HERE = Path(__file__).parent / "model_parity"
config = json.loads((HERE / "longformer/config.json").read_text())
for key in ("architectures", "attention_window", "model_type"):
    del config[key]
weights = {
    name.replace("longformer.", "roberta.", 1): tensor
    for name, tensor in load_file(HERE / "longformer/model.safetensors").items()
    if "_global." not in name and not name.startswith("lm_head.")
}
given = load_file(HERE / "longformer/expected.safetensors")
weights |= {name: given[name] for name in ("qa_outputs.weight", "qa_outputs.bias")}
model = RobertaForQuestionAnswering(RobertaConfig(**config)).eval()
model.load_state_dict(weights)
output = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"], output_hidden_states=True)
save_file(
    {
        "qa.start": output.start_logits.detach().contiguous(),
        "qa.end": output.end_logits.detach().contiguous(),
    },
    HERE / "dense.safetensors",
)
(HERE / "dense.json").write_text(json.dumps(sorted(name for name, _ in model.named_parameters()), indent=0) + "\n")
