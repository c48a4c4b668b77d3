#!/usr/bin/env python3
"""Times masked-LM training steps of the fastest such model that we can write in PyTorch.

RoBERTa's encoder under torch.compile: sliding-window attention by compiled flex_attention, global tokens, if any, as
a prefix in its block mask (through the same projections: less work than a Longformer's own global ones), head and
loss on the masked positions only, 16-bit copies of 32-bit master weights, fused AdamW, clipping at 1.0. Same sizes
and data as `longqa bench train-step`. flex_attention has no backward pass on CPUs (torch 2.11): there, attention is
scaled_dot_product_attention over blocks of queries beside their neighbourhoods, compiled with the rest.
Needs torch==2.11.0 and a C++ compiler or a GPU. Prints `name: value` lines.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import measure


class FlexAttention:
    """`[batch, heads, seq, head_dim]` each to the same shape."""

    def __init__(self, args):
        half, prefix = args.window // 2, args.global_tokens

        def seen(_batch, _head, query, key):
            return ((query - key).abs() <= half) | (query < prefix) | (key < prefix)

        self.mask = create_block_mask(seen, None, None, args.seq, args.seq, device=args.device)

    def __call__(self, query, key, value):
        return flex_attention(query, key, value, block_mask=self.mask)


class BlockAttention:
    """The same without global tokens: blocks of half a window against themselves and a block on either side."""

    def __init__(self, args):
        self.half = half = args.window // 2
        if args.seq % half or args.global_tokens:
            raise SystemExit("blocks: expected --seq in multiples of half a window and no --global-tokens")
        self.blocks = args.seq // half
        query = torch.arange(half)[:, None] + half
        key = torch.arange(3 * half)
        near = (query - key).abs() <= half  # [half, 3 * half]
        place = torch.arange(self.blocks)[:, None, None] * half + key - half
        seen = near & (place >= 0) & (place < args.seq)  # [blocks, half, 3 * half]
        compute = measure.COMPUTE[args.precision]
        mask = torch.zeros(seen.shape, dtype=compute).masked_fill(~seen, -1e30)
        self.mask = mask.repeat(args.micro_batch, 1, 1)[:, None].to(args.device)

    def __call__(self, query, key, value):
        batch, heads, seq, dim = query.shape

        def blocked(x):  # [batch * blocks, heads, …, dim]
            return x.permute(0, 2, 1, 4, 3).flatten(0, 1)

        def neighbourhoods(x):
            return F.pad(x, (0, 0, self.half, self.half)).unfold(2, 3 * self.half, self.half)

        query = query.unfold(2, self.half, self.half)
        out = F.scaled_dot_product_attention(
            blocked(query), blocked(neighbourhoods(key)), blocked(neighbourhoods(value)), attn_mask=self.mask)
        return out.view(batch, self.blocks, heads, self.half, dim).transpose(1, 2).reshape(batch, heads, seq, dim)


class Layer(nn.Module):
    def __init__(self, attend):
        super().__init__()
        self.attend = attend
        self.projections = nn.Linear(measure.HIDDEN, 3 * measure.HIDDEN)
        self.attended, self.attended_norm = nn.Linear(measure.HIDDEN, measure.HIDDEN), nn.LayerNorm(measure.HIDDEN)
        self.inner, self.outer = nn.Linear(measure.HIDDEN, measure.INNER), nn.Linear(measure.INNER, measure.HIDDEN)
        self.outer_norm = nn.LayerNorm(measure.HIDDEN)

    def forward(self, x):  # [batch, seq, hidden]
        batch, seq, hidden = x.shape
        query, key, value = self.projections(x).view(batch, seq, 3, measure.HEADS, -1).permute(2, 0, 3, 1, 4)
        attended = self.attend(query, key, value).transpose(1, 2).reshape(batch, seq, hidden)
        x = self.attended_norm(x + F.dropout(self.attended(attended), measure.DROPOUT))
        return self.outer_norm(x + F.dropout(self.outer(F.gelu(self.inner(x))), measure.DROPOUT))


class Embeddings(nn.Module):
    def __init__(self, words, seq):
        super().__init__()
        self.words, self.positions = nn.Embedding(words, measure.HIDDEN), nn.Embedding(seq, measure.HIDDEN)
        self.norm = nn.LayerNorm(measure.HIDDEN)

    def forward(self, ids):
        return F.dropout(self.norm(self.words(ids) + self.positions.weight), measure.DROPOUT)


class Head(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.dense, self.norm = nn.Linear(measure.HIDDEN, measure.HIDDEN), nn.LayerNorm(measure.HIDDEN)
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, hidden, decoder, labels):
        logits = F.linear(self.norm(F.gelu(self.dense(hidden))), decoder, self.bias)
        return F.cross_entropy(logits.float(), labels)


class Model(nn.Module):
    def __init__(self, args, attend):
        super().__init__()
        words = measure.VOCABULARY[args.model]
        self.embeddings, self.head = Embeddings(words, args.seq), Head(words)
        self.layers = nn.ModuleList(Layer(attend) for _ in range(args.layers))
        self.apply(initialize)
        # Part by part: the layers share one compiled function, so that twelve cost no more than one.
        for part in (self.embeddings, self.head, *self.layers):
            part.compile(dynamic=False)

    def forward(self, ids, places, labels):
        hidden = self.embeddings(ids)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(hidden.flatten(0, 1)[places], self.embeddings.words.weight, labels)


def initialize(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)


def main():
    args = measure.options(__doc__, attentions=["flex", "blocks"])
    kind = args.attention if args.attention != "auto" else "flex" if args.device == "cuda" else "blocks"
    model = Model(args, (FlexAttention if kind == "flex" else BlockAttention)(args)).to(args.device)
    has_copies = measure.COMPUTE[args.precision] != torch.float32
    masters = [weight.detach().clone() if has_copies else weight for weight in model.parameters()]
    weights = list(model.to(measure.COMPUTE[args.precision]).parameters())
    optimizer = torch.optim.AdamW(masters, lr=1e-5, weight_decay=0.01, fused=True)
    scaler = torch.amp.GradScaler(args.device, enabled=args.precision == "float16")
    ids, masked = measure.tokens(args)
    places = masked.flatten().nonzero().flatten()
    labels = ids.flatten()[places]

    def step():
        loss = model(ids, places, labels)
        scaler.scale(loss).backward()
        if has_copies:
            for master, weight in zip(masters, weights):
                master.grad, weight.grad = weight.grad.float(), None
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(masters, 1.0, foreach=True)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        if has_copies:
            with torch.no_grad():
                torch._foreach_copy_(weights, masters)
        return loss.detach()

    measure.report(args, "torch.compile", torch.__version__, kind, step)


if __name__ == "__main__":
    main()
