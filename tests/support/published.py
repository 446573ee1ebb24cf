"""Published weights as the tests see them: regenerated from their names, and files in PyTorch's two formats."""

from __future__ import annotations

import ast
import io
import math
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.pretrained import convert
from mobilevit_tf.pretrained.layouts import their_shape
from mobilevit_tf.pretrained.publishers import family_with

PARITY = Path(__file__).parents[1] / "parity"
STORAGES = {"<f4": "FloatStorage", "<f2": "HalfStorage", "<u2": "BFloat16Storage", "<i8": "LongStorage"}


def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value behind the reference logits, as tests/parity/README.md defines it."""
    x = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return (1 + 0.2 * np.abs(x)).astype(np.float32)
    if name.endswith(("running_mean", "bias")):
        return (0.1 * x).astype(np.float32)
    if len(shape) == 1:
        return (1 + 0.1 * x).astype(np.float32)
    return (x * np.sqrt(2.0 / int(np.prod(shape[1:])))).astype(np.float32)


def reference(publisher: str, variant: str) -> tuple[dict[str, np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """(state dict, logits [2, 1000] by (height, width)) of another implementation."""
    if variant.startswith("v2_"):
        return reference_file(f"models/{'hf_' if publisher == 'huggingface' else ''}mobilevitv2_{variant[3:]}.npz")
    return reference_file(f"{ {'timm': 'timm', 'huggingface': 'hf'}[publisher] }_{variant}.npz")


def reference_file(name: str) -> tuple[dict[str, np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """`reference` from a file of tests/parity."""
    with np.load(PARITY / name) as archive:
        shapes = zip(archive["names"].tolist(), archive["shapes"].tolist(), strict=True)
        weights = {name: value(name, tuple(ast.literal_eval(shape))) for name, shape in shapes}
        sizes = {key: tuple(map(int, key[7:].split("x"))) for key in archive.files if key.startswith("logits_")}
        return weights, {size: archive[key] for key, size in sizes.items()}


def reference_input(height: int, width: int) -> np.ndarray:
    """float32 [2, height, width, 3], the input behind the reference logits."""
    images = np.random.default_rng(height * 1000 + width).random((2, 3, height, width), dtype=np.float32)
    return images.transpose(0, 2, 3, 1)


def tiny(publisher: str = "timm", classes: int = 5, variant: str = "tiny") -> dict[str, np.ndarray]:
    """A state dict of a variant, the smallest if not said otherwise, in a publisher's names."""
    family = family_with(variant)
    names = family.weight_map(family.namings[publisher], variant)
    shapes = convert._shapes(ModelConfig(variant, num_classes=classes))
    return {names[ours].name: value(names[ours].name, their_shape(shape, names[ours]))
            for ours, shape in shapes.items()}  # fmt: skip


def bfloat16(array: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, as uint16."""
    return (array.astype("<f4").view("<u4") >> 16).astype("<u2")


class TorchPickle:
    """Emits the pickle of a checkpoint as torch.save does, and collects the storages."""

    def __init__(self, legacy: bool = False):
        self.storages: list[bytes] = []
        self.counts: list[int] = []
        self.legacy = legacy

    def emit(self, entry: object) -> bytes:
        if isinstance(entry, dict):
            items = b"".join(self.emit(key) + self.emit(one) for key, one in entry.items())
            metadata = b"}" + self.emit("_metadata") + b"}sb"  # torch leaves an attribute on its OrderedDict
            return b"ccollections\nOrderedDict\n)R(" + items + b"u" + metadata
        if isinstance(entry, np.ndarray):
            return self.tensor(entry)
        if isinstance(entry, bytes):  # opcodes as they are
            return entry
        return pickle.dumps(entry, 2)[2:-1]  # without protocol and stop

    def tensor(self, array: np.ndarray, shape=None, strides=None, offset: int = 0) -> bytes:
        array = np.asarray(array)
        shape = array.shape if shape is None else shape
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape))) if strides is None else strides
        storage = STORAGES[array.dtype.newbyteorder("<").str]
        self.storages.append(np.ascontiguousarray(array).tobytes())
        self.counts.append(array.size)
        key, view = str(len(self.storages) - 1), b"N" if self.legacy else b""
        identity = (b"(" + self.emit("storage") + f"ctorch\n{storage}\n".encode() + self.emit(key) + self.emit("cpu")
                    + self.emit(array.size) + view + b"tQ")  # fmt: skip
        layout = self.emit(offset) + self.emit(tuple(shape)) + self.emit(tuple(strides))
        return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + layout
                + b"\x89ccollections\nOrderedDict\n)RtR")  # fmt: skip


def torch_zip(entry: object, pickler: TorchPickle | None = None) -> bytes:
    """What torch.save has written since PyTorch 1.6; `entry` may be ready opcodes of `pickler`."""
    pickler = pickler or TorchPickle()
    content = b"\x80\x02" + pickler.emit(entry) + b"."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", b"little")
        for index, storage in enumerate(pickler.storages):
            archive.writestr(f"archive/data/{index}", storage)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def torch_legacy(entry: object) -> bytes:
    """What torch.save wrote before PyTorch 1.6."""
    pickler = TorchPickle(legacy=True)
    state = b"\x80\x02" + pickler.emit(entry) + b"."
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    keys = [str(index) for index in range(len(pickler.storages))]
    tail = [struct.pack("<q", count) + one for count, one in zip(pickler.counts, pickler.storages, strict=True)]
    return b"".join([*(pickle.dumps(part, 2) for part in head), state, pickle.dumps(keys, 2), *tail])
