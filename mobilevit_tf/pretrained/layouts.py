"""How PyTorch stores what this project holds, and what the naming tables of all families share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import numpy as np

from mobilevit_tf.image.image_spec import ImageSpec

CONVOLUTION, DEPTHWISE, DENSE, VECTOR = "convolution", "depthwise", "dense", "vector"
Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Part of a fused array: rows `first` to `last` (not included) of `total`, along its first axis."""

    first: int
    last: int
    total: int


@dataclasses.dataclass(frozen=True)
class Source:
    """Where one of our weights is in a publisher's file.

    Attributes:
      name: the publisher's.
      kind: CONVOLUTION [out, in, rows, columns], DEPTHWISE [channels, 1, rows, columns], DENSE [out, in] or VECTOR [n].
      rows: which of a fused array; None for all.
    """

    name: str
    kind: str
    rows: Rows | None = None


def their_shape(shape: Shape, source: Source) -> Shape:
    """The shape that the publisher stores for our weight of `shape`."""
    if source.kind == DEPTHWISE:
        rows, columns, channels, multiplier = shape
        return channels, multiplier, rows, columns
    if source.kind == CONVOLUTION:
        rows, columns, inputs, outputs = shape
        theirs: Shape = (outputs, inputs, rows, columns)
    else:
        theirs = (shape[-1], shape[-2]) if source.kind == DENSE else shape
    return (source.rows.total, *theirs[1:]) if source.rows else theirs


def to_ours(value: np.ndarray, shape: Shape, source: Source) -> np.ndarray:
    """The publisher's array of `their_shape` -> ours of `shape`."""
    if source.rows:
        value = value[source.rows.first : source.rows.last]
    if source.kind == DEPTHWISE:
        return value.transpose(2, 3, 0, 1)  # [channels, 1, rows, columns] -> [rows, columns, channels, 1]
    if source.kind == CONVOLUTION:
        return value.transpose(2, 3, 1, 0)  # [out, in, rows, columns] -> [rows, columns, in, out]
    if source.kind == DENSE:
        return value.T.reshape(shape)  # [out, in] -> [in, out], or [1, 1, in, out] as a 1x1 convolution
    return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Naming:
    """One publisher's module names that both families have. `{layer}` is the paper's 1 to 5, `{stage}` 0 to 4.

    Attributes:
      title: the publisher, as people call it.
      mark: part of the names that only this family has.
      conv, norm: convolution and BatchNorm inside a convolution block.
      stem, classifier: modules at the ends.
      early, down: the MV2 blocks of layers 1 and 2 (numbered by `{block}`), and the first block of layers 3 to 5.
      expand, depthwise, project: convolution blocks inside an MV2 block.
      vit: the MobileViT block of layers 3 to 5.
    """

    title: str
    mark: str
    conv: str
    norm: str
    stem: str
    classifier: str
    early: str
    down: str
    expand: str
    depthwise: str
    project: str
    vit: str

    @property
    def anchor(self) -> str:
        """The first convolution's weight: what tells the publishers apart and shows a prefix."""
        return f"{self.stem}.{self.conv}.weight"


Names = TypeVar("Names", bound=Naming)


@dataclasses.dataclass(frozen=True)
class Family(Generic[Names]):
    """What is published of one family of models.

    Attributes:
      title: shown to people.
      module: its file in `families/`.
      namings: by publisher.
      specs: preprocessing by publisher and side of the input in pixels, the usual side first.
      weight_map: (naming, variant) -> `Source` of every weight of the built model, by name.
      telltale: naming -> name of the weight whose first axis shows the variant.
      telltale_title: what that weight is, in the messages.
      variants: by the length of that axis.
    """

    title: str
    module: str
    namings: Mapping[str, Names]
    specs: Mapping[str, Mapping[int, ImageSpec]]
    weight_map: Callable[[Names, str], dict[str, Source]]
    telltale: Callable[[Names], str]
    telltale_title: str
    variants: Mapping[int, str]


class NameMap(dict[str, Source]):
    """Our weight name -> where the publisher keeps it."""

    def __init__(self, naming: Naming) -> None:
        super().__init__()
        self.naming = naming

    def convolution(
        self, ours: str, theirs: str, *, kind: str = CONVOLUTION, bias: bool = False, rows: Rows | None = None
    ) -> None:
        """A convolution, or a dense layer that is a 1x1 convolution here."""
        kernel = "depthwise_kernel" if kind == DEPTHWISE else "kernel"
        self[f"{ours}/{kernel}"] = Source(f"{theirs}.weight", kind, rows)
        if bias:
            self[f"{ours}/bias"] = Source(f"{theirs}.bias", VECTOR, rows)

    def affine(self, ours: str, theirs: str) -> None:
        """Scale and shift of a norm."""
        self[f"{ours}/gamma"] = Source(f"{theirs}.weight", VECTOR)
        self[f"{ours}/beta"] = Source(f"{theirs}.bias", VECTOR)

    def conv_bn(self, ours: str, theirs: str, kind: str = CONVOLUTION) -> None:
        """A convolution block: `{ours}_conv` and `{ours}_bn`."""
        self.convolution(f"{ours}_conv", f"{theirs}.{self.naming.conv}", kind=kind)
        norm = f"{theirs}.{self.naming.norm}"
        self.affine(f"{ours}_bn", norm)
        self[f"{ours}_bn/moving_mean"] = Source(f"{norm}.running_mean", VECTOR)
        self[f"{ours}_bn/moving_variance"] = Source(f"{norm}.running_var", VECTOR)

    def inverted_residual(self, ours: str, theirs: str) -> None:
        """An MV2 block."""
        self.conv_bn(f"{ours}_expand", f"{theirs}.{self.naming.expand}")
        self.conv_bn(f"{ours}_depthwise", f"{theirs}.{self.naming.depthwise}", DEPTHWISE)
        self.conv_bn(f"{ours}_project", f"{theirs}.{self.naming.project}")

    def ends(self, layer2_blocks: int) -> None:
        """The stem, layers 1 and 2, the classifier."""
        self.conv_bn("stem", self.naming.stem)
        self.inverted_residual("layer1_mv2", self.naming.early.format(layer=1, stage=0, block=0))
        for block in range(layer2_blocks):
            self.inverted_residual(f"layer2_mv2{block}", self.naming.early.format(layer=2, stage=1, block=block))
        self.convolution("classifier", self.naming.classifier, kind=DENSE, bias=True)
