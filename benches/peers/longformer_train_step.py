#!/usr/bin/env python3
"""Times masked-LM training steps of transformers' Longformer, as `longqa bench train-step` times ours.

Same sizes, random tokens, 15 % masked, dropout on, AdamW (fused), gradient clipping at 1.0. Needs
torch==2.11.0 and transformers. Prints `name: value` lines.
"""

import argparse
import resource
import statistics
import time

import torch
from transformers import LongformerConfig, LongformerForMaskedLM


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in [("layers", 2), ("hidden_size", 768), ("vocab_size", 50265), ("length", 4096),
                          ("attention_window", 512), ("batch_size", 1), ("steps", 5), ("threads", 0)]:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(42)
    config = LongformerConfig(
        vocab_size=args.vocab_size, hidden_size=args.hidden_size, num_hidden_layers=args.layers,
        num_attention_heads=args.hidden_size // 64, intermediate_size=4 * args.hidden_size,
        max_position_embeddings=args.length + 2, attention_window=[args.attention_window] * args.layers,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1)
    model = LongformerForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    ids = torch.randint(4, args.vocab_size, (args.batch_size, args.length))
    labels = torch.where(torch.rand(ids.shape) < 0.15, ids, torch.tensor(-100))

    seconds = []
    for _ in range(args.steps + 1):
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bfloat16"):
            loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        assert torch.isfinite(loss)
        seconds.append(time.perf_counter() - started)
    step = statistics.median(seconds[1:])
    print(f"seconds_per_step: {step:.3f}")
    print(f"tokens_per_second: {args.batch_size * args.length / step:.3f}")
    print(f"peak_memory_mib: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.3f}")


if __name__ == "__main__":
    main()
