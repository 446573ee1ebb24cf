"""A converted file as a list of operators: rewrites of it that change no result."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

_Code = schema.BuiltinOperator
_MOVES = (_Code.RESHAPE, _Code.TRANSPOSE)


@dataclasses.dataclass
class Wiring:
    """What makes and what reads each tensor of a file; of the moment when it was read."""

    model: schema.ModelT
    maker: dict[int, schema.OperatorT]
    readers: dict[int, list[schema.OperatorT]]

    @classmethod
    def of(cls, model: schema.ModelT) -> Wiring:
        operators = model.subgraphs[0].operators
        readers: dict[int, list[schema.OperatorT]] = {}
        for op in operators:
            for tensor in dict.fromkeys(op.inputs):
                readers.setdefault(int(tensor), []).append(op)
        return cls(model, {int(output): op for op in operators for output in op.outputs}, readers)

    def before(self, op: schema.OperatorT, place: int = 0) -> schema.OperatorT | None:
        """What makes an operand of an operator, if nothing else reads it."""
        tensor = int(op.inputs[place])
        return self.maker.get(tensor) if len(self.readers[tensor]) == 1 else None

    def after(self, op: schema.OperatorT) -> schema.OperatorT | None:
        """The only reader of what an operator makes; None for a result of the file."""
        tensor = int(op.outputs[0])
        found = self.readers.get(tensor, [])
        return found[0] if len(found) == 1 and tensor not in self.model.subgraphs[0].outputs else None


def code(model: schema.ModelT, op: schema.OperatorT | None) -> int | None:
    """The type of an operator."""
    if op is None:
        return None
    entry = model.operatorCodes[op.opcodeIndex]
    return max(entry.builtinCode, entry.deprecatedBuiltinCode)


def of_type(model: schema.ModelT, *codes: int) -> Iterator[schema.OperatorT]:
    """The operators of some types."""
    return (op for op in list(model.subgraphs[0].operators) if code(model, op) in codes)


def set_tables(model: schema.ModelT) -> None:
    """8 bit -> DEQUANTIZE -> ELU -> QUANTIZE -> 8 bit becomes an 8-bit ELU, which the converter does not make itself.

    Raises:
      RuntimeError: for an ELU that does not stand between the two.
    """
    wiring, needless = Wiring.of(model), []
    for op in of_type(model, _Code.ELU):
        before, after = wiring.before(op), wiring.after(op)
        codes = [code(model, neighbour) for neighbour in (before, after)]
        if before is None or after is None or codes != [_Code.DEQUANTIZE, _Code.QUANTIZE]:
            raise RuntimeError("an ELU stands elsewhere than between two 8-bit tensors: it cannot become a table")
        op.inputs, op.outputs = before.inputs, after.outputs
        needless += [before, after]
    _drop(model, needless)


def drop_signs(model: schema.ModelT) -> None:
    """(-a) (-b) becomes a b: `FloatProduct` has the signs for the converter alone."""
    wiring, needless = Wiring.of(model), []
    for product in of_type(model, _Code.BATCH_MATMUL):
        signs = [found for place in (0, 1) if (found := _sign_behind(wiring, product, place)) is not None]
        needless += signs if len(signs) == 2 else []
    sources = {int(op.outputs[0]): int(op.inputs[0]) for op in needless}
    _drop(model, needless)
    for op in model.subgraphs[0].operators:
        op.inputs = [sources.get(int(tensor), int(tensor)) for tensor in op.inputs]


def _sign_behind(wiring: Wiring, op: schema.OperatorT, place: int) -> schema.OperatorT | None:
    """The product with -1 that gives an operand its sign, perhaps moved afterwards."""
    found = wiring.before(op, place)
    while found is not None and code(wiring.model, found) in _MOVES:
        found = wiring.before(found)
    if found is None or code(wiring.model, found) != _Code.MUL:
        return None
    data = wiring.model.buffers[wiring.model.subgraphs[0].tensors[found.inputs[1]].buffer].data
    return found if data is not None and np.frombuffer(bytes(data), np.float32).tolist() == [-1.0] else None


def move_as_8_bits(model: schema.ModelT) -> None:
    """Numbers are reshaped and transposed while they are 8-bit, not before QUANTIZE or after DEQUANTIZE."""
    graph = model.subgraphs[0]
    while (found := _movable(model)) is not None:
        first, second = found
        moves_last = code(model, second) in _MOVES
        inner, outer = first.outputs[0], second.outputs[0] if moves_last else first.inputs[0]
        eight_bit = graph.tensors[first.inputs[0] if moves_last else second.outputs[0]]
        # The tensor between the two becomes an 8-bit one, in the shape of the float tensor on the other side.
        tensor = graph.tensors[inner]
        tensor.shape, tensor.shapeSignature = graph.tensors[outer].shape, graph.tensors[outer].shapeSignature
        tensor.type, tensor.quantization = eight_bit.type, eight_bit.quantization
        second.inputs = [first.inputs[0], *second.inputs[1:]]
        first.inputs = [inner, *first.inputs[1:]]
        first.outputs, second.outputs = second.outputs, first.outputs
        graph.operators.remove(first)
        graph.operators.insert(graph.operators.index(second) + 1, first)


def _movable(model: schema.ModelT) -> tuple[schema.OperatorT, schema.OperatorT] | None:
    """(DEQUANTIZE, move) or (move, QUANTIZE), of which the first is read by the second alone."""
    wiring = Wiring.of(model)
    for first in of_type(model, _Code.DEQUANTIZE, *_MOVES):
        second = wiring.after(first)
        pair = code(model, first), code(model, second)
        if pair[0] == _Code.DEQUANTIZE and pair[1] in _MOVES:
            return first, second
        if pair[0] in _MOVES and pair[1] == _Code.QUANTIZE and not _is_8_bit(model, first):
            return first, second
    return None


def _is_8_bit(model: schema.ModelT, op: schema.OperatorT) -> bool:
    return model.subgraphs[0].tensors[op.inputs[0]].type != schema.TensorType.FLOAT32


def _drop(model: schema.ModelT, needless: list[schema.OperatorT]) -> None:
    graph = model.subgraphs[0]
    graph.operators = [op for op in graph.operators if not any(op is other for other in needless)]
