"""The only home of defaults: frozen settings that libraries take and entry scripts fill from flags. No TensorFlow."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.errors import UserError
from mobilevit_tf.variants import VARIANTS, get_variant


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What `mobilevit.build` needs.

    Attributes:
      variant: a key of `variants.VARIANTS`.
      num_classes: N, width of the logits.
      patch_sizes: side of the square patches in layers 3, 4 and 5 (the paper's ablation: 2,2,2 / 4,4,4 / 8,4,2).
      dropout: in the transformers; None takes the variant's published rate.
      classifier_dropout: before the classifier; None takes the variant's published rate.
    """

    variant: str = "xxs"
    num_classes: int = 1000
    patch_sizes: tuple[int, int, int] = (2, 2, 2)
    dropout: float | None = None
    classifier_dropout: float | None = None

    def __post_init__(self) -> None:
        get_variant(self.variant)
        if self.num_classes < 2:
            raise UserError(f"a classifier needs at least 2 classes, the data has {self.num_classes}")
        if len(self.patch_sizes) != 3 or min(self.patch_sizes) < 1:
            raise UserError(f"patch sizes {self.patch_sizes}, expected three positive numbers such as 2,2,2")

    @property
    def rates(self) -> tuple[float, float]:
        """(dropout, classifier dropout) with the published rates filled in."""
        published = VARIANTS[self.variant]
        dropout = published.dropout if self.dropout is None else self.dropout
        classifier = published.classifier_dropout if self.classifier_dropout is None else self.classifier_dropout
        return dropout, classifier


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which photos, and how they are split.

    Attributes:
      data: "digits" (scikit-learn's, embedded), the path of a folder of photos, or the name of a TFDS data set.
      data_dir: where TFDS data sets are prepared; None takes TFDS' own default.
      train_split, val_split: TFDS split expressions such as "train[:80%]"; None takes the data set's own validation
        (or test) split, and where it has none the last `val_fraction` of "train".
      val_fraction: share of the photos held out where the data brings no split of its own, stratified by class.
      seed: of the split of a folder.
    """

    data: str = "digits"
    data_dir: str | None = None
    train_split: str | None = None
    val_split: str | None = None
    val_fraction: float = 0.2
    seed: int = 0
