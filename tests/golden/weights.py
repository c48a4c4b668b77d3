"""Writes tests/golden/weights/: small checkpoints in every format that longqa reads, the values
that must come out of them, and files that must be refused.

Needs torch 2.11, safetensors and numpy: python tests/golden/weights.py
"""

import collections
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent / "weights"


def tensors():
    """Every element type, and every way a tensor can lie on its storage."""
    torch.manual_seed(0)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    named = collections.OrderedDict()
    named["float32"] = torch.randn(3, 5)
    named["float64"] = torch.randn(2, 2, dtype=torch.float64)
    named["float16"] = torch.randn(7).half()
    named["bfloat16"] = torch.randn(2, 3).bfloat16()
    named["int64"] = torch.tensor([[-(2**62), 0], [1, 2**62]])
    named["int32"] = torch.tensor([-5, 2**31 - 1], dtype=torch.int32)
    named["uint8"] = torch.tensor([0, 255, 7], dtype=torch.uint8)
    named["bool"] = torch.tensor([[True, False, True]])
    named["scalar"] = torch.tensor(2.5)
    named["empty"] = torch.zeros(0, 4)
    named["shared.whole"] = base
    named["shared.again"] = base
    named["shared.row"] = base[2]
    named["shared.transposed"] = base.t()
    named["shared.every_other"] = base[1:, ::2]
    named["expanded"] = torch.arange(6).expand(1, -1)
    named["encoder.LayerNorm.gamma"] = torch.ones(3)
    named["encoder.LayerNorm.beta"] = torch.zeros(3)
    named["parameter"] = nn.Parameter(torch.tensor([1.0, -1.0]))
    return named


def expected(named):
    """Bytes and not numbers, as reading numbers from JSON may round."""
    table = {}
    for name, tensor in named.items():
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        dtype = str(tensor.dtype).removeprefix("torch.")
        table[name] = {"dtype": dtype, "shape": list(tensor.shape), "little_endian_bytes": raw.hex()}
    return table


def save_both(value, name):
    torch.save(value, HERE / f"{name}.zip.bin")
    torch.save(value, HERE / f"{name}.legacy.bin", _use_new_zipfile_serialization=False)


def version_three(named):
    """`_rebuild_tensor_v3`, which torch uses for types without a legacy storage class."""
    original = torch.storage._new_dtypes
    torch.storage._new_dtypes = lambda: {torch.float32, torch.int64}
    torch.save({name: named[name] for name in ["float32", "int64", "shared.row"]}, HERE / "version3.zip.bin")
    torch.storage._new_dtypes = original


def protocol_four(named):
    torch.save({name: named[name] for name in ["float32", "bool"]}, HERE / "protocol4.zip.bin", pickle_protocol=4)


def safetensors(named):
    whole = {name: tensor.detach().contiguous().clone() for name, tensor in named.items()}
    single = HERE / "single"
    single.mkdir(exist_ok=True)
    save_file(whole, single / "model.safetensors", metadata={"format": "pt"})
    names = sorted(whole)
    for folder, suffix in [("sharded", "safetensors"), ("sharded_bin", "bin")]:
        (HERE / folder).mkdir(exist_ok=True)
        stem = "model" if suffix == "safetensors" else "pytorch_model"
        shards = [f"{stem}-0000{i}-of-00002.{suffix}" for i in (1, 2)]
        parts = [names[: len(names) // 2], names[len(names) // 2 :]]
        for shard, part in zip(shards, parts):
            part_tensors = {name: whole[name] for name in part}
            if suffix == "safetensors":
                save_file(part_tensors, HERE / folder / shard, metadata={"format": "pt"})
            else:
                torch.save(part_tensors, HERE / folder / shard)
        index = {
            "metadata": {"total_size": sum(t.numel() * t.element_size() for t in whole.values())},
            "weight_map": {name: shard for shard, part in zip(shards, parts) for name in part},
        }
        (HERE / folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index, indent=1) + "\n")


class Calls:
    """Unpickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def as_zip(data_pkl, path, byteorder=b"little"):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [("data.pkl", data_pkl), ("byteorder", byteorder), ("version", b"3\n")]:
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)


def as_legacy(object_pkl, path, little_endian=True):
    facts = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    out = io.BytesIO()
    for value in [0x1950A86A20F9469CFC6C, 1001, facts]:
        pickle.dump(value, out, protocol=2)
    out.write(object_pkl)
    pickle.dump([], out, protocol=2)
    path.write_bytes(out.getvalue())


def refused():
    folder = HERE / "refused"
    folder.mkdir(exist_ok=True)
    calls = {
        "os_system": Calls(os.system, "touch executed"),
        "eval": Calls(eval, "1 + 1"),
        "counter": Calls(collections.Counter, "a"),
        "getattr": Calls(getattr, "text", "upper"),
    }
    for name, call in calls.items():
        data = pickle.dumps({"weight": call}, protocol=2)
        as_zip(data, folder / f"{name}.zip.bin")
        as_legacy(data, folder / f"{name}.legacy.bin")
    # Protocol 0 spells the same with other opcodes.
    as_legacy(b"(S'echo'\nios\nsystem\n.", folder / "inst.legacy.bin")
    empty = pickle.dumps({}, protocol=2)
    as_zip(empty, folder / "big_endian.zip.bin", byteorder=b"big")
    as_legacy(empty, folder / "big_endian.legacy.bin", little_endian=False)

    weight = torch.ones(2)
    torch.save({"state_dict": {"weight": weight}}, folder / "nested.zip.bin")
    torch.save({"weight": weight, "epoch": 3}, folder / "int_beside.zip.bin")
    torch.save({"weight": weight.to(torch.complex64)}, folder / "complex.zip.bin")
    torch.save({"weight": torch.ones(1).expand(10**12)}, folder / "expanded.zip.bin")
    torch.save(nn.Linear(2, 2), folder / "module.zip.bin")
    torch.save([weight], folder / "list.zip.bin")


def main():
    HERE.mkdir(exist_ok=True)
    named = tensors()
    (HERE / "expected.json").write_text(json.dumps(expected(named), indent=1) + "\n")
    save_both(named, "tensors")
    version_three(named)
    protocol_four(named)
    safetensors(named)
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    save_both(module.state_dict(), "module_state")  # carries _metadata
    refused()


if __name__ == "__main__":
    main()
