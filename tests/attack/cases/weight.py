"""Weight files that were made to harm: pickles that grow, tensors that share, storages that lie, random damage."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from safetensors.numpy import save
from support.published import TorchPickle, tiny, torch_legacy, torch_zip

from attack.cases.photo import damage, zip_of


def _raw_zip(content: bytes, method: int = zipfile.ZIP_STORED, **storages: bytes) -> bytes:
    entries = {"archive/data.pkl": content} | {f"archive/data/{key}": data for key, data in storages.items()}
    return zip_of(method, entries)


def _shared_lists(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value, value]
    return value


def _many_views(count: int, numbers: int, legacy: bool = False) -> bytes:
    """`count` tensors that are all of the same storage."""
    pickler = TorchPickle(legacy)
    first = pickler.tensor(np.zeros(numbers, np.float32))
    items = b"".join(pickler.emit(f"w{index}") + first for index in range(count))
    return torch_zip(b"}(" + items + b"u", pickler)


def _overlapping_entries() -> bytes:
    """A ZIP whose thousand storages are the same bytes."""
    data = _many_views(1, 1_000_000)
    pickler = TorchPickle()
    items = b""
    for index in range(1_000):
        items += pickler.emit(f"w{index}") + pickler.tensor(np.zeros(1, np.float32)).replace(
            pickler.emit(1), pickler.emit(1_000_000), 1
        )
    content = b"\x80\x02}(" + items + b"u."
    stream = bytearray(data[: data.index(b"PK\x01\x02")])
    place, directory = stream.index(b"archive/data/0") - 30, b""
    pickled = len(stream)
    stream += zip_of(zipfile.ZIP_STORED, {"archive/data.pkl": content}).split(b"PK\x01\x02")[0]
    storages = [(f"archive/data/{index}", place, bytes(4_000_000)) for index in range(1_000)]
    for name, offset, data in [("archive/data.pkl", pickled, content), *storages]:
        size, check = len(data), zlib.crc32(data)
        fields = (20, 20, 0, 0, 0, 0, check, size, size, len(name), 0, 0, 0, 0, 0, offset)
        directory += b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", *fields) + name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, 1_001, 1_001, len(directory), len(stream), 0)
    return bytes(stream) + directory + b"PK\x05\x06" + end


def hostile() -> Iterator[tuple[str, bytes]]:
    """(name, file): each must be refused, or read without more than its own size."""
    yield "shared nested lists", _raw_zip(pickle.dumps({"x": _shared_lists(60)}, 2))
    yield "shared nested lists, old format", torch_legacy({"x": pickle.dumps(_shared_lists(60), 2)[2:-1]})
    yield "a list inside itself", _raw_zip(b"\x80\x02]q\0h\0a.")
    yield "lists 100,000 deep", _raw_zip(b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b".")
    yield "3,000 tensors on one storage", _many_views(3_000, 1_000_000)
    yield "a memo of 2**31", _raw_zip(b"\x80\x02Nr\xff\xff\xff\x7f.")
    yield "a memo of 2**31, as text", _raw_zip(b"Np2147483647\n.")
    yield "a memo in the old format's head", pickle.dumps(0x1950A86A20F9469CFC6C, 2)[:-1] + b"r\xff\xff\xff\x7f."
    yield "numbers of a million digits", _raw_zip(b"\x80\x02\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20 + b".")
    keys = b"".join(
        b"\x8a\x0a" + (index * (2**61 - 1)).to_bytes(10, "little", signed=True) + b"N" for index in range(60_000)
    )
    yield "keys of one hash", _raw_zip(b"\x80\x02}(" + keys + b"u.")
    yield "two million empty lists", _raw_zip(b"\x80\x02(" + b"]" * 2_000_000 + b"l.")
    yield "text that claims 2**62 bytes", _raw_zip(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.")
    yield "bytes that claim 2**62", _raw_zip(b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"abc.")
    yield "a compressed pickle of zeros", _raw_zip(b"\x80\x02" + bytes(200_000_000) + b".", zipfile.ZIP_DEFLATED)
    yield "a bzip2 pickle of zeros", _raw_zip(bytes(100_000_000), zipfile.ZIP_BZIP2)
    yield "a thousand storages on the same bytes", _overlapping_entries()
    yield "a call of os.system", _raw_zip(b"\x80\x02cos\nsystem\nX\x05\0\0\0false\x85R.")
    header = b'{"a":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}}'
    yield "safetensors of a huge claim", struct.pack("<Q", len(header)) + header + bytes(4)
    for kind, shape in (("100 dimensions", [1] * 100), ("0 x 2**63", [0, 2**63]), ("0 x 2**200", [0] + [2**20] * 10)):
        size = 4 if 0 not in shape else 0
        entry = {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
        header = json.dumps(entry, separators=(",", ":")).encode()
        yield f"safetensors of {kind}", struct.pack("<Q", len(header)) + header + bytes(size)
    yield "safetensors header of 2**60", struct.pack("<Q", 2**60) + b"{" + bytes(100)
    nested = b'{"__metadata__":' + b"[" * 1_000_000
    yield "safetensors header nested", struct.pack("<Q", len(nested)) + nested


def damaged(generator: np.random.Generator, count: int) -> Iterator[tuple[str, bytes]]:
    """(name, file): the three kinds of file, damaged at random."""
    state = tiny()
    originals = [save(state), torch_zip(state), torch_legacy(state)]
    for number in range(count):
        yield f"damaged {number}", damage(originals[number % 3], generator)
