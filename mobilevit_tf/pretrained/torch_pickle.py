"""Reading PyTorch's .pt, .pth and .bin files without PyTorch, and without running what a pickle asks for.

A checkpoint is a pickle of containers in which every tensor is a reference to a block of raw numbers. The unpickler
here knows the tensor builders, the storage types and OrderedDict, and refuses every other name: a malicious file can
call nothing. Before that its opcodes are counted, so that it can neither ask for a huge memo nor grow while it is read,
and every tensor's numbers are counted against the file's own. Both containers are read: the ZIP of PyTorch 1.6 and
later, and the plain pickles before it.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mobilevit_tf.errors import UserError

ZIP_START = b"PK\x03\x04"
PICKLE_START = b"\x80"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MAX_PICKLE_BYTES, MAX_OPCODES = 2**23, 500_000  # a thousand tensors with an optimizer's state take 300 KB and 40,000
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")  # whose number is the size of the memo that the C unpickler allocates
_MAX_SHARED = 4  # times that the tensors may hold the file's numbers: tied weights are stored once

_DTYPES = {
    "FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}  # fmt: skip


class _Storage(NamedTuple):
    """A block of raw numbers in the file."""

    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Forbidden(Exception):
    """A name in the pickle that is neither a tensor nor a plain container."""


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(data: Any, *_unused: Any) -> _Tensor:
    return data


_ALLOWED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", storage): dtype for storage, dtype in _DTYPES.items()},
}


class _Unpickler(pickle.Unpickler):
    """Tensors and plain containers only."""

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Forbidden(repr(f"{module}.{name}"[:80])) from None

    def persistent_load(self, reference: Any) -> _Storage:
        kind, dtype, key, _location, count = reference[:5]
        if kind != "storage" or dtype not in _DTYPES.values():
            raise pickle.UnpicklingError("not a tensor's storage")
        return _Storage(str(key), dtype, int(count))


def bits_to_float32(data: bytes, dtype: str) -> np.ndarray:
    """Raw little-endian numbers -> float32 [n]; `dtype` is NumPy's, or "bfloat16"."""
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype).astype(np.float32)


def _check_opcodes(stream: io.BytesIO) -> None:
    """Refuses the pickle that begins here where reading it could take more than its own size; leaves the place."""
    start = stream.tell()
    for number, (opcode, argument, place) in enumerate(pickletools.genops(stream)):
        if number >= MAX_OPCODES or place is None or place - start > MAX_PICKLE_BYTES:
            raise ValueError("more objects than a file of weights has")
        if opcode.name in _PUTS and isinstance(argument, int) and argument > MAX_OPCODES:
            raise ValueError("a memo of impossible size")
        if isinstance(argument, int) and argument.bit_length() > 63 and argument != _LEGACY_MAGIC:
            raise ValueError("a number of impossible size")
    stream.seek(start)


def _unpickle(unpickler: Callable[[io.BytesIO], _Unpickler], stream: io.BytesIO) -> Any:
    _check_opcodes(stream)
    return unpickler(stream).load()


class _Reader:
    """Tensors' values, each storage converted once.

    Args:
      read: a storage's bytes.
      size: of the whole file in bytes: what storages hold, and tensors share, is counted against it.
    """

    def __init__(self, read: Callable[[_Storage], bytes], size: int) -> None:
        self._read, self._bytes_left, self._numbers_left = read, size, _MAX_SHARED * size
        self._storages: dict[_Storage, np.ndarray] = {}
        self._seen: dict[int, object] = {}

    def _values(self, storage: _Storage) -> np.ndarray:
        if storage not in self._storages:
            data = self._read(storage)
            self._bytes_left -= len(data)
            if self._bytes_left < 0:
                raise ValueError("storages that hold more than the file")
            self._storages[storage] = bits_to_float32(data, storage.dtype)
        return self._storages[storage]

    def array(self, tensor: _Tensor) -> np.ndarray:
        """The values that a tensor refers to; one that reaches outside its storage is refused."""
        if not all(isinstance(number, int) for number in (tensor.offset, *tensor.shape, *tensor.strides)):
            raise ValueError("a tensor's sizes are not whole numbers")
        if len(tensor.shape) != len(tensor.strides) or min((tensor.offset, *tensor.shape, *tensor.strides)) < 0:
            raise ValueError("a tensor's sizes do not fit together")
        values = self._values(tensor.storage)
        if math.prod(tensor.shape) > values.size:  # an expanded view would ask for memory that the file does not hold
            raise ValueError("a tensor is larger than its storage")
        reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
        if 0 not in tensor.shape and tensor.offset + reach >= values.size:
            raise ValueError("a tensor reaches outside its storage")
        self._numbers_left -= math.prod(tensor.shape)
        if self._numbers_left < 0:
            raise ValueError("tensors that share storages too often")
        strides = tuple(stride * values.itemsize for stride in tensor.strides)
        return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()

    def materialise(self, value: object) -> object:
        """Containers with arrays in the place of tensors; what the pickle shares stays shared."""
        if isinstance(value, _Tensor):
            return self.array(value)
        if not isinstance(value, dict | list | tuple):
            return value
        if id(value) not in self._seen:
            self._seen[id(value)] = None  # a container inside itself
            if isinstance(value, dict):
                self._seen[id(value)] = {key: self.materialise(entry) for key, entry in value.items()}
            else:
                self._seen[id(value)] = [self.materialise(entry) for entry in value]
        return self._seen[id(value)]


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """An entry as PyTorch writes it, uncompressed: no larger than the file."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError("a compressed entry")
    return archive.read(name)


def _load_zip(data: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        root = next(name for name in names if name.endswith("data.pkl")).removesuffix("data.pkl")
        if f"{root}byteorder" in names and _stored(archive, f"{root}byteorder") != b"little":
            raise ValueError("big-endian numbers")
        state = _unpickle(_Unpickler, io.BytesIO(_stored(archive, f"{root}data.pkl")))

        def read(storage: _Storage) -> bytes:
            content = _stored(archive, f"{root}data/{storage.key}")
            if len(content) != storage.length * _item_size(storage.dtype):
                raise ValueError("a storage of another length than stated")
            return content

        return _Reader(read, len(data)).materialise(state)


def _load_legacy(data: bytes) -> object:
    """Five pickles (magic number, version, system, state, storage keys), then each storage: a count and its values."""
    stream = io.BytesIO(data)
    if _unpickle(_Unpickler, stream) != _LEGACY_MAGIC:
        raise ValueError("not a file of PyTorch")
    _unpickle(_Unpickler, stream)  # protocol version
    _unpickle(_Unpickler, stream)  # sizes of C types on the machine that wrote it
    _check_opcodes(stream)
    unpickler = _RecordingUnpickler(stream)
    state = unpickler.load()
    blocks = {}
    for key in _unpickle(_Unpickler, stream):
        count = int.from_bytes(stream.read(8), "little")
        storage = unpickler.storages[str(key)]
        blocks[storage.key] = stream.read(count * _item_size(storage.dtype))
        if count != storage.length or len(blocks[storage.key]) != count * _item_size(storage.dtype):
            raise EOFError("a storage is cut off")
    return _Reader(lambda storage: blocks[storage.key], len(data)).materialise(state)


class _RecordingUnpickler(_Unpickler):
    """Remembers the storages it met: the old format says a storage's type only in the pickle."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, reference: Any) -> _Storage:
        storage = super().persistent_load(reference)
        return self.storages.setdefault(storage.key, storage)


def _item_size(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def load(data: bytes, name: str) -> object:
    """A PyTorch file's bytes -> nested dicts and lists with float32 arrays; `name` is for the messages.

    Raises:
      UserError: where the file is damaged, no PyTorch file, or holds anything but tensors and plain containers.
    """
    try:
        return _load_zip(data) if data.startswith(ZIP_START) else _load_legacy(data)
    except _Forbidden as error:
        raise UserError(f"{name} holds {error}, which is neither a tensor nor a plain container, and was not opened "
                        "further: save the weights alone (model.state_dict())") from error  # fmt: skip
    except Exception as error:  # damaged pickles, ZIPs and sizes raise whatever their readers raise
        raise UserError(f"{name} is truncated or not a PyTorch file: download it again") from error
