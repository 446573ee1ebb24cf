"""JSON from outside -> checked values: the one reader of model_info.json, config.json and a model file's header.

Python's own reader takes NaN, Infinity, the same key twice, lone surrogates and nesting without end. Here each of these
is refused in one sentence that names the file, the key, what came and what was expected.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from mobilevit_tf.errors import UserError

MAX_TEXT_BYTES = 2**24
MAX_STRING = 1_000  # characters of one value
MAX_WHOLE = 2**63 - 1
_SHOWN = 60  # characters of a wrong value that a message repeats

T = TypeVar("T")


def bounded(low: float, high: float, **default: Any) -> Any:
    """A dataclass field whose number must lie in [low, high]: `x: float = bounded(0, 1, default=0.5)`."""
    return dataclasses.field(metadata={"bounds": (low, high)}, **default)


def parse(text: str | bytes, where: str) -> Any:
    """JSON text -> plain values.

    Args:
      text: UTF-8 where it is bytes.
      where: the file, for the messages.

    Raises:
      UserError: too long, not UTF-8, not JSON, nested too deeply, a key twice, a number that is not finite.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise UserError(f"{where} holds {len(text):,} bytes, expected at most {MAX_TEXT_BYTES:,}")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply to be read") from error
    except ValueError as error:
        raise UserError(f"{where} is damaged: {_shown(error)}") from error


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """`parse` of a text that must hold one JSON object."""
    value = parse(text, where)
    if not isinstance(value, dict):
        raise UserError(f"{where} holds {_shown(value)}, expected a JSON object")
    return value


def build(cls: type[T], values: object, where: str, *, ignore_unknown: bool = False) -> T:
    """Checked JSON values -> a dataclass whose fields are strings, numbers, bools, tuples of these, or None.

    A key that is missing takes the field's default.

    Args:
      cls: a dataclass; its annotations and `bounded` fields are what is checked.
      values: from `parse`.
      where: file and place, for the messages.
      ignore_unknown: pass over keys that the dataclass lacks, instead of refusing them.

    Raises:
      UserError: naming the key; also what the dataclass itself refuses.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{where} holds {_shown(values)}, expected a JSON object")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - fields.keys())
    if unknown and not ignore_unknown:
        raise UserError(f"{where}: unknown key {_shown(unknown[0])}, expected {', '.join(fields)}")
    required = (dataclasses.MISSING, dataclasses.MISSING)
    for name, field in fields.items():
        if name not in values and (field.default, field.default_factory) == required:
            raise UserError(f"{where}: the key {name!r} is missing")
    known = {name: _as_tuple(value) for name, value in values.items() if name in fields}
    check(cls, known, where)
    try:
        hints = typing.get_type_hints(cls)
        return cls(**{name: _as_declared(value, hints[name]) for name, value in known.items()})
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def check(cls: type, values: Mapping[str, object], where: str) -> None:
    """Raises UserError where a value is not what the dataclass `cls` declares for its name."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.name not in values:
            continue
        value, bounds = values[field.name], field.metadata.get("bounds")
        if not _is(value, hints[field.name]):
            raise UserError(f"{where}: {field.name} is {_shown(value)}, expected {_named(hints[field.name])}")
        if bounds and not bounds[0] <= typing.cast(float, value) <= bounds[1]:
            raise UserError(f"{where}: {field.name} is {_shown(value)}, expected {bounds[0]:g} to {bounds[1]:g}")


def is_text(value: object, most: int = MAX_STRING) -> bool:
    """True for a string of at most `most` characters that UTF-8 and a path can hold."""
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _is(value: object, hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is(value, choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        if not isinstance(value, tuple) or len(value) > MAX_STRING:
            return False
        parts = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(value) == len(parts) and all(map(_is, value, parts))
    if hint is str:
        return is_text(value)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is int:
        return isinstance(value, int) and abs(value) <= MAX_WHOLE
    if hint is float:
        return isinstance(value, int | float) and abs(value) <= MAX_WHOLE and math.isfinite(value)
    return hint is type(None) and value is None


def _as_declared(value: Any, hint: Any) -> Any:
    """A whole number where the field is a float becomes one, also inside a tuple: 0 and 0.0 are written alike."""
    if typing.get_origin(hint) is tuple:
        return tuple(_as_declared(part, typing.get_args(hint)[0]) for part in value)
    return float(value) if hint is float else value


def _named(hint: Any) -> str:
    """A type in words."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(map(_named, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        return f"a list of {_named(parts[0])}" if parts[-1] is Ellipsis else f"{len(parts)} of {_named(parts[0])}"
    names = {str: f"text of at most {MAX_STRING:,} characters", bool: "true or false", int: "a whole number",
             float: "a finite number"}  # fmt: skip
    return names.get(hint, "null")


def _shown(value: object) -> str:
    """A value for a message: one line of ASCII, never long."""
    text = str(value) if isinstance(value, Exception) else _brief(value)
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _brief(value: object) -> str:
    if isinstance(value, str):
        return repr(value[: _SHOWN + 1])
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, dict | list | tuple):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return repr(value)


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
