"""A split's photos as a model's pixels: decoded by threads, and only once where several models answer them."""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from mobilevit_tf.data.source import Example, Source
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec

MOST_BYTES = 2**29  # of pixels that are kept; a larger split is decoded again for each model


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """One photo: its name, its class in the source, and uint8 [height, width, 3] by protocol."""

    id: str
    label: int
    pixels: dict[str, np.ndarray]


class Photos:
    """The photos of a split, prepared as one ImageSpec says.

    Attributes:
      source, split: where they come from.
      spec: the preprocessing contract; its normalisation is not applied.
      protocols: of `pixels.PROTOCOLS`, those that may be asked for.
    """

    def __init__(
        self, source: Source, split: str, spec: ImageSpec, protocols: Sequence[str] = ("crop",), *,
        most_bytes: int = 0,
    ) -> None:  # fmt: skip
        """Keeps the decoded pixels for the next time where all of them take at most `most_bytes`."""
        self.source, self.split, self.spec, self.protocols = source, split, spec, tuple(protocols)
        self._keeps = source.size(split) * len(self.protocols) * spec.height * spec.width * 3 <= most_bytes
        self._kept: list[Photo] = []

    def __len__(self) -> int:
        return self.source.size(self.split)

    def batches(self, protocol: str, size: int) -> Iterator[list[Photo]]:
        """Up to `size` photos at a time in the source's order, decoded one batch ahead of the model.

        Raises:
          UserError: for a photo that cannot be read, by name.
        """
        if self._kept:
            yield from (self._kept[start : start + size] for start in range(0, len(self._kept), size))
            return
        wanted = self.protocols if self._keeps else (protocol,)
        kept = []
        for batch in _ahead(lambda example: self._decode(example, wanted), self.source.examples(self.split), size):
            kept += batch if self._keeps else []
            yield batch
        self._kept = kept

    def _decode(self, example: Example, protocols: Sequence[str]) -> Photo:
        try:
            photo = pixels.decode_image(example.data)
            shown = {protocol: pixels.resize(photo, self.spec, protocol) for protocol in protocols}
        except BadImage as error:
            raise UserError(f"{example.id}: {error}: run with --dry_run for a list of such files") from error
        return Photo(example.id, example.label, shown)


def _ahead(decode: Callable[[Example], Photo], examples: Iterator[Example], size: int) -> Iterator[list[Photo]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting: deque[Future[Photo]] = deque()
        for example in examples:
            waiting.append(pool.submit(decode, example))
            if len(waiting) == 2 * size:
                yield [waiting.popleft().result() for _ in range(size)]
        while waiting:
            yield [waiting.popleft().result() for _ in range(min(size, len(waiting)))]
