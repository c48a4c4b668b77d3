"""Makes or_loss.json: TriviaQA's loss of starts or ends and its gradient, by torch.

The loss is computed one document at a time from the gathered logits of the right positions, as the
Longformer's training script describes it (Clark & Gardner 2018, section 2.2), in double precision from
single-precision logits. Run: python tests/golden/or_loss.py
"""

import json
import pathlib

import torch

torch.manual_seed(11)


def case(documents, length, scale=3.0):
    """documents: for each a list of slices, for each slice its length and right positions."""
    rows = [row for document in documents for row in document]
    logits = scale * torch.randn(len(rows), length)
    leaf = logits.double().requires_grad_()
    loss, first = torch.zeros((), dtype=torch.float64), 0
    for document in documents:
        everything = torch.cat([leaf[first + i, :n] for i, (n, _) in enumerate(document)])
        right = torch.cat([leaf[first + i, where] for i, (_, where) in enumerate(document)])
        loss = loss + everything.exp().sum().log() - right.exp().sum().log()
        first += len(document)
    loss.backward()
    return {
        "logits": logits.tolist(),
        "lengths": [n for n, _ in rows],
        "right": [where for _, where in rows],
        "rows_of_documents": [len(document) for document in documents],
        "loss": loss.item(),
        "gradient": leaf.grad.tolist(),
    }


cases = [
    case([[(6, [2])]], 6),
    case([[(6, [1, 4, 5])]], 6),
    case([[(5, [0, 3]), (5, []), (3, [1])]], 5),
    case([[(7, [6])], [(4, [1]), (7, [0, 1, 2, 3]), (2, [])], [(5, list(range(5)))]], 7),
    case([[(8, [3]), (8, [7])], [(8, [1])]], 8, scale=40.0),
]
path = pathlib.Path(__file__).with_name("or_loss.json")
path.write_text(json.dumps(cases, indent=1) + "\n")
