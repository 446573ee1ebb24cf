"""Published weight files -> one flat dictionary of float32 arrays in a publisher's own names.

The kind of file is read from its first bytes, never from its ending. Around the weights a file may have containers
(`state_dict`, EMA copies, optimizer state) and a prefix on every name (`model.`, `module.`): EMA weights win, as they
are what publishers evaluate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
from safetensors import SafetensorError

from mobilevit_tf.errors import UserError
from mobilevit_tf.files import read_regular
from mobilevit_tf.pretrained import torch_pickle
from mobilevit_tf.pretrained.publishers import anchors

# Where training programs keep the weights, the best first.
CONTAINERS = ("state_dict_ema", "ema_state_dict", "model_ema", "ema", "state_dict", "model_state_dict", "model")
MAX_FILE_BYTES = 2**32  # the largest published MobileViT, with an optimizer's state, has a twentieth
COUNTER = "num_batches_tracked"  # BatchNorm's step counter, which inference does not use

_SAFETENSORS_DTYPES = {
    "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "<i1", "U8": "<u1", "BOOL": "|b1",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class PublishedWeights:
    """What a file holds.

    Attributes:
      publisher: key of a family's namings.
      weights: float32 arrays in the publisher's names, prefix removed, without BatchNorm's counters.
      origin: where in the file they were, such as "state_dict_ema, prefix module."; "" for a plain file.
    """

    publisher: str
    weights: Mapping[str, np.ndarray]
    origin: str


def read(path: str | Path) -> PublishedWeights:
    """Reads a .safetensors, .bin, .pth or .pt file.

    Raises:
      UserError: one sentence for a missing, truncated or foreign file, and for one without MobileViT's weights.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file at {path}: docs/pretrained.md says where to download the weights")
    state = _parse(read_regular(path, MAX_FILE_BYTES), path.name)
    tensors, container = _flatten(state, path.name)
    publisher, prefix, weights = _identify(tensors, path.name)
    origin = ", ".join(filter(None, (container, f"prefix {prefix}" if prefix else "")))
    return PublishedWeights(publisher, weights, origin)


def _parse(data: bytes, name: str) -> object:
    is_safetensors = data[8:9] == b"{"  # after the header's length, whose own bytes may look like anything
    if not is_safetensors and data.startswith((torch_pickle.ZIP_START, torch_pickle.PICKLE_START)):
        return torch_pickle.load(data, name)
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{name} is a Git LFS pointer, not the weights: download the file itself from its project page")
    if start.startswith(b"<"):
        raise UserError(f"{name} is a web page, not weights: download the file itself, not the page that shows it")
    try:
        return dict(_safetensor(name, *entry) for entry in safetensors.deserialize(data))
    except SafetensorError as error:
        raise UserError(f"{name} is truncated or of an unknown kind: expected .safetensors or a PyTorch file, "
                        "download it again") from error  # fmt: skip


def _safetensor(file: str, name: str, entry: Mapping) -> tuple[str, np.ndarray]:
    if entry["dtype"] not in _SAFETENSORS_DTYPES:
        raise UserError(f"{file}: {name[:80]} is stored as {entry['dtype']}, expected float32, float16 or bfloat16")
    values = torch_pickle.bits_to_float32(bytes(entry["data"]), _SAFETENSORS_DTYPES[entry["dtype"]])
    try:
        return name, values.reshape(entry["shape"])
    except ValueError as error:  # more dimensions, or a larger one, than an array may have
        raise UserError(f"{file}: {name[:80]} has a shape that no array can have: download it again") from error


def _flatten(state: object, name: str) -> tuple[dict[str, np.ndarray], str]:
    """The dictionary of arrays inside the containers, and the containers' names."""
    path: list[str] = []
    while isinstance(state, dict):
        key = next((key for key in CONTAINERS if isinstance(state.get(key), dict)), None)
        if key is None:
            arrays = {str(key): value for key, value in state.items() if isinstance(value, np.ndarray)}
            return arrays, "/".join(path)
        path.append(key)
        state = state[key]
    raise UserError(f"{name} holds no weights by name: expected a state dict of MobileViT")


def _identify(tensors: Mapping[str, np.ndarray], name: str) -> tuple[str, str, dict[str, np.ndarray]]:
    """(publisher, prefix, weights with the prefix removed), found by the first convolution's name."""
    found = [
        (publisher, key.removesuffix(anchor))
        for publisher, anchor in anchors()
        for key in sorted(tensors)
        if key == anchor or key.endswith(f".{anchor}")
    ]
    if not found:
        raise UserError(
            f"{name} holds no MobileViT of timm, Hugging Face or Apple: none of its {len(tensors)} names ends in "
            + ", ".join(anchor for _, anchor in anchors())
        )
    averaged = [place for place in found if "ema" in place[1].lower()]
    if len(found) > 1 and len(averaged) != 1:
        places = ", ".join(prefix or "no prefix" for _, prefix in found)
        raise UserError(f"{name} holds {len(found)} models ({places}): save the one you want alone")
    publisher, prefix = (averaged or found)[0]
    copies = tuple(other for _, other in found if other != prefix)  # the raw weights beside their EMA copy
    weights = {
        key.removeprefix(prefix): value
        for key, value in tensors.items()
        if not key.endswith(COUNTER) and (key.startswith(prefix) or not key.startswith(copies))
    }
    return publisher, prefix, weights
