"""Which images, at which size, each training step takes: a pure function of (seed, epoch).

The paper's multi-scale sampler with a variable batch size (arXiv 2110.02178, section 3.2): one input size a step, the
same on every replica, and as many images as keep the pixels of a batch constant.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Step:
    """One optimizer step.

    Attributes:
      size: side of the square input in pixels.
      counts: images per replica. Replica r is local replica r // hosts of host r % hosts, so that the hosts' sums
        differ by one image at most.
    """

    size: int
    counts: tuple[int, ...]

    @property
    def images(self) -> int:
        return sum(self.counts)


def scaled_batch(batch_size: int, base_size: int, size: int) -> int:
    """max(1, base^2 * b / size^2), rounded down: 327/227/128/101/81 for b = 128 at 160/192/256/288/320."""
    return max(1, base_size * base_size * batch_size // (size * size))


def plan_epoch(
    num_images: int, *, batch_size: int, replicas: int, base_size: int, sizes: tuple[int, ...], seed: int, epoch: int
) -> list[Step]:
    """The steps of one epoch; their images add up to num_images exactly.

    Args:
      num_images: of the whole training split, over all hosts; at least one per replica.
      batch_size: images per replica at base_size.
      replicas: over all hosts.
      base_size: size in pixels that batch_size is meant for.
      sizes: drawn from with equal chance; empty for base_size alone.
      seed, epoch: of the draw.
    """
    rng = np.random.default_rng((seed, epoch))
    steps: list[Step] = []
    left = num_images
    while left:
        size = int(rng.choice(sizes)) if sizes else base_size
        images = min(left, scaled_batch(batch_size, base_size, size) * replicas)
        if left - images < replicas:  # too few for another step: BatchNorm needs an image on every replica
            images = left
        counts = tuple(images // replicas + (replica < images % replicas) for replica in range(replicas))
        steps.append(Step(size, counts))
        left -= images
    return steps
