"""Exported models whose own description of themselves was made to harm."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

from mobilevit_tf.evaluation.tflite_model import INFO_FILE, LABELS_FILE, SPEC_FILE

DEEP, DIGITS = "[" * 100_000, "9" * 5_000
_INFO_TEXTS = ("7", "null", "[]", '"\\ud800x"', json.dumps("x" * 3_900_000), '"a\\u0000b"', DEEP, DIGITS, "NaN", "true")
_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 400, DIGITS, '"1"', "true", "null", "[]", "-1", DEEP)
_SIDES = ("0", "-1", "4097", "1e9", "9" * 400, '"64"', "true", "null", "64.5", "63")


def parts_of(model: bytes) -> tuple[bytes, dict[str, bytes]]:
    """(flatbuffer, the parts behind it by name)."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        start = min(entry.header_offset for entry in archive.infolist())
        return model[:start], {name: archive.read(name) for name in archive.namelist()}


def with_parts(graph: bytes, parts: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A .tflite with these parts."""
    stream = io.BytesIO(graph)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _with_value(part: bytes, key: str, text: str) -> bytes:
    values = {name: json.dumps(value) for name, value in json.loads(part).items()} | {key: text}
    return ("{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in values.items()) + "}").encode()


def _contents(parts: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(name, the changed parts)."""
    for key in ("name", "variant", "mode", "version", "license", "run_id"):
        for text in _INFO_TEXTS:
            yield f"{key} is {text[:12]}", {INFO_FILE: _with_value(parts[INFO_FILE], key, text)}
    for key in ("temperature", "unsure_below", "schema_version"):
        for text in _NUMBERS:
            yield f"{key} is {text[:12]}", {INFO_FILE: _with_value(parts[INFO_FILE], key, text)}
    for key in ("height", "width"):
        for text in _SIDES:
            yield f"{key} is {text[:12]}", {SPEC_FILE: _with_value(parts[SPEC_FILE], key, text)}
    for key, text in (
        ("mean", "[0, 0, NaN]"),
        ("std", "[0, 1, 1]"),
        ("range", "[1, 0]"),
        ("resize", '"x"'),
        ("a", "1"),
    ):
        yield f"{key} is {text}", {SPEC_FILE: _with_value(parts[SPEC_FILE], key, text)}
    lines = parts[LABELS_FILE].splitlines()
    labels = {
        "twice": [lines[0]] * len(lines), "blank": [b"", *lines[1:]], "spaces": [b" ", *lines[1:]],
        "one too few": lines[1:], "one too many": [*lines, b"x"], "long": [b"x" * 256, *lines[1:]],
        "not UTF-8": [b"\xff", *lines[1:]], "NUL": [b"a\0", *lines[1:]], "none": [],
        "a line separator": ["a\u2028b".encode(), *lines[1:]], "a million": [b"%d" % n for n in range(500_000)],
    }  # fmt: skip
    for name, changed in labels.items():
        yield f"labels: {name}", {LABELS_FILE: b"\n".join(changed) + b"\n"}


def hostile(model: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, .tflite) of a whole model: each must be refused."""
    graph, parts = parts_of(model)
    for name, changed in _contents(parts):
        yield name, with_parts(graph, parts | changed)
    for name in parts:
        yield f"no {name}", with_parts(graph, {other: data for other, data in parts.items() if other != name})
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED):
            yield f"{name} is a bomb of kind {method}", with_parts(graph, parts | {name: bytes(2**27)}, method)
    many = {f"{number}": b"" for number in range(50_000)}
    yield "50,000 entries and none that counts", with_parts(graph, many)
    yield "no graph", with_parts(b"\0\0\0\0TFL3", parts)
    yield "a graph of zeros", with_parts(graph[:8] + bytes(len(graph) - 8), parts)
