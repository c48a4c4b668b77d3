#!/usr/bin/env python3
"""Times masked-LM training steps of transformers' Longformer, as `longqa bench train-step` times ours.

Same sizes, random tokens, 15 % masked, dropout on, fused AdamW, gradient clipping at 1.0; eager, as it comes;
16-bit precisions through autocast. Needs torch==2.11.0 and transformers. Prints `name: value` lines.
"""

import torch
import transformers
from transformers import LongformerConfig, LongformerForMaskedLM

import measure


def main():
    args = measure.options(__doc__)
    config = LongformerConfig(
        vocab_size=measure.VOCABULARY[args.model], hidden_size=measure.HIDDEN, num_hidden_layers=args.layers,
        num_attention_heads=measure.HEADS, intermediate_size=measure.INNER,
        max_position_embeddings=args.seq + 2, attention_window=[args.window] * args.layers,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1)
    model = LongformerForMaskedLM(config).to(args.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    scaler = torch.amp.GradScaler(args.device, enabled=args.precision == "float16")
    ids, masked = measure.tokens(args)
    labels = ids.masked_fill(~masked, -100)
    real = torch.ones_like(ids)
    is_global = torch.zeros_like(ids)
    is_global[:, :args.global_tokens] = 1
    compute = measure.COMPUTE[args.precision]

    def step():
        with torch.autocast(args.device, compute, enabled=compute != torch.float32):
            loss = model(input_ids=ids, attention_mask=real, global_attention_mask=is_global, labels=labels).loss
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    measure.report(args, "transformers Longformer", transformers.__version__, "chunks", step)


if __name__ == "__main__":
    main()
