"""Run directories, well formed but wrong: what `--init_from`, `--evaluate_only` and the export may be handed."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import safetensors.numpy

from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.image.image_spec import ImageSpec

DEEP = "[" * 100_000
DIGITS = "9" * 5_000
HEADER = {
    "schema_version": "1",
    "model_config": json.dumps(dataclasses.asdict(ModelConfig("tiny", 2))),
    "image_spec": ImageSpec(32, 32).to_json(),
    "labels": '["a", "b"]',
    "run_id": "run",
    "license": "Apache-2.0",
}
WEIGHTS = {"classifier/kernel": np.zeros((16, 2), np.float32), "classifier/bias": np.zeros(2, np.float32)}


def config_with(key: str, value: str) -> str:
    """The header's model_config with one value replaced by JSON text."""
    config = json.loads(HEADER["model_config"])
    texts = {name: json.dumps(old) for name, old in config.items()} | {key: value}
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def headers() -> Iterator[tuple[str, dict[str, str]]]:
    """(name, header) of model files whose header is wrong."""
    for key in ("schema_version", "model_config", "image_spec", "labels"):
        yield f"no {key}", {name: text for name, text in HEADER.items() if name != key}
        for kind, text in (("nested", DEEP), ("digits", DIGITS), ("list", "[1]"), ("text", "x"), ("null", "null")):
            yield f"{key} is {kind}", HEADER | {key: text}
        yield f"{key} is an object", HEADER | {key: '{"a": {"b": []}}'}
    for key, text in (
        ("variant", '"huge"'), ("variant", "[]"), ("num_classes", "2.0"), ("num_classes", '"2"'),
        ("num_classes", "true"), ("num_classes", "9" * 400), ("num_classes", "3"), ("patch_sizes", "2"),
        ("patch_sizes", "[2, 2]"),
        ("patch_sizes", "[2, 2, null]"), ("patch_sizes", "[2, 2, 1000000000]"), ("dropout", "NaN"), ("dropout", '"0"'),
        ("dropout", "1e999"), ("unknown", "1"),
    ):  # fmt: skip
        yield f"{key} is {text[:20]}", HEADER | {"model_config": config_with(key, text)}
    yield "labels are numbers", HEADER | {"labels": "[1, 2]"}
    yield "a label is no UTF-8", HEADER | {"labels": '["a", "\\ud800"]'}
    yield "too few labels", HEADER | {"labels": '["a"]'}
    yield "a long run id", HEADER | {"run_id": "x" * 100_000}


def weights() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(name, tensors) of model files whose weights are wrong."""
    kernel = "classifier/kernel"
    yield "NaN", WEIGHTS | {kernel: np.full((16, 2), np.nan, np.float32)}
    yield "infinity", WEIGHTS | {kernel: np.full((16, 2), np.inf, np.float32)}
    yield "float64", WEIGHTS | {kernel: np.zeros((16, 2))}
    yield "int8", WEIGHTS | {kernel: np.zeros((16, 2), np.int8)}


def model_files() -> Iterator[tuple[str, bytes]]:
    """(name, model.safetensors): each must be refused."""
    for name, header in headers():
        yield f"header: {name}", safetensors.numpy.save(WEIGHTS, header)
    for name, tensors in weights():
        yield f"weights: {name}", safetensors.numpy.save(tensors, HEADER)
    for kind, shape in (("BF16", "[1]"), ("F8_E4M3", "[2]"), ("F4", "[4]"), ("F32", "[0, 9223372036854775808]")):
        size = 0 if kind == "F32" else 2
        tensor = f'{{"dtype":"{kind}","shape":{shape},"data_offsets":[0,{size}]}}'
        entry = f'{{"__metadata__":{json.dumps(HEADER)},"w":{tensor}}}'.encode()
        yield f"weights: {kind} {shape}", struct.pack("<Q", len(entry)) + entry + bytes(size)
    yield "header: no metadata", safetensors.numpy.save(WEIGHTS)
    yield "empty", b""


def configs() -> Iterator[tuple[str, Callable[[Path], object]]]:
    """(name, what writes config.json): each must be refused where the run's data is asked for."""
    data = dataclasses.asdict(DataConfig())

    def text(content: str) -> Callable[[Path], object]:
        return lambda path: path.write_text(content)

    yield "nested", text('{"data": ' + DEEP)
    yield "digits", text('{"data": {"seed": ' + DIGITS + "}}")
    yield "no data", text("{}")
    yield "a list", text("[]")
    yield "a number", text("7")
    yield "data is a list", text('{"data": [1]}')
    yield "data is null", text('{"data": null}')
    yield "not UTF-8", lambda path: path.write_bytes(b'{"data": "\xff"}')
    yield "a directory", lambda path: path.mkdir()
    yield "a key twice", text('{"data": {"seed": 1, "seed": 2}}')
    for key, value in (
        ("data", 7), ("data", None), ("data", "a\0b"), ("data", "x" * 5_000), ("data_dir", 7), ("val_fraction", "0.2"),
        ("val_fraction", True), ("seed", 1.5), ("seed", 10**30), ("train_split", []), ("unknown", 1),
    ):  # fmt: skip
        yield f"{key} is {str(value)[:10]!r}", text(json.dumps({"data": data | {key: value}}))
    for word in ("NaN", "Infinity", "1e999"):
        yield f"val_fraction is {word}", text(json.dumps({"data": data}).replace("0.2", word))
