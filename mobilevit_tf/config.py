"""The only home of defaults: frozen settings that libraries take and entry scripts fill from flags. No TensorFlow."""

from __future__ import annotations

import dataclasses
import re

from mobilevit_tf import catalog
from mobilevit_tf.errors import UserError

MAX_PATCH_SIZE = 64  # a map is padded up to whole patches: a larger one would be memory alone


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What `models.build` needs.

    Attributes:
      variant: a key of `catalog.MODELS`.
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
        catalog.find(self.variant)
        if self.num_classes < 2:
            raise UserError(f"a classifier needs at least 2 classes, the data has {self.num_classes}")
        for key in ("dropout", "classifier_dropout"):
            if getattr(self, key) is not None and not 0 <= getattr(self, key) < 1:
                raise UserError(f"{key} is {getattr(self, key)}, expected a number in [0, 1)")
        if len(self.patch_sizes) != 3 or min(self.patch_sizes) < 1 or max(self.patch_sizes) > MAX_PATCH_SIZE:
            raise UserError(f"patch sizes {self.patch_sizes}, expected three from 1 to {MAX_PATCH_SIZE} such as 2,2,2")

    @property
    def rates(self) -> tuple[float, float]:
        """(dropout, classifier dropout) with the published rates filled in."""
        published = catalog.find(self.variant).dropout
        dropout = published[0] if self.dropout is None else self.dropout
        classifier = published[1] if self.classifier_dropout is None else self.classifier_dropout
        return dropout, classifier


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which photos, and how they are split.

    Attributes:
      data: "digits" (scikit-learn's, embedded), the path of a folder of photos or of a table of files (`data.table`),
        or the name of a TFDS data set.
      data_dir: where TFDS data sets are prepared; None takes TFDS' own default.
      train_split, val_split: TFDS split expressions such as "train[:80%]"; None takes the data set's own validation
        (or test) split, and where it has none the last `val_fraction` of "train".
      val_fraction: share of the photos held out where the data brings no split of its own, stratified by class; 1 puts
        every photo of a folder in "val", to evaluate on all of them.
      seed: of the split of a folder.
      val_groups: regular expression that names a photo's group by its path, such as a burst, a person or a video:
        photos of one group stay on one side of the split; None splits by class and content alone.
      none_of_these: folder of photos of none of the classes, which fit and measure the threshold of an export; None
        takes the folder `_none` beside those of the classes, where there is one.
    """

    data: str = "digits"
    data_dir: str | None = None
    train_split: str | None = None
    val_split: str | None = None
    val_fraction: float = 0.2
    seed: int = 0
    val_groups: str | None = None
    none_of_these: str | None = None


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How training photos are varied; see `augment`.

    Attributes:
      mode: "none" takes the largest centred square, "basic" crops and flips (the paper's recipe), "advanced" adds
        RandAugment, Mixup and CutMix.
      flip: mirror half of the photos left to right; digits and letters must not be.
      scale: share of the photo's area that a crop covers.
      ratio: width over height of a crop.
      randaugment_ops, randaugment_magnitude: operations per photo, and their strength out of 30.
      mixup_alpha, cutmix_alpha: of the Beta distributions of the mixing shares; 0 turns one off.
      random_erasing: probability that a rectangle of a photo becomes black; 0 in MobileViT's recipe, 0.25 in v2's.
    """

    mode: str = "basic"
    flip: bool = True
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    randaugment_ops: int = 2
    randaugment_magnitude: int = 9
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    random_erasing: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in ("none", "basic", "advanced"):
            raise UserError(f"augmentation {self.mode!r}, expected none, basic or advanced")
        if not (len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1] <= 1):
            raise UserError(f"crop scale {self.scale}, expected two increasing numbers in (0, 1]")
        if not (len(self.ratio) == 2 and 0 < self.ratio[0] <= self.ratio[1]):
            raise UserError(f"crop ratio {self.ratio}, expected two increasing positive numbers")
        if self.randaugment_ops < 0 or not 0 <= self.randaugment_magnitude <= 30:
            raise UserError("RandAugment: expected operations >= 0 and a magnitude from 0 to 30")
        if min(self.mixup_alpha, self.cutmix_alpha) < 0:
            raise UserError("the alphas of Mixup and CutMix must not be negative")
        if not 0 <= self.random_erasing <= 1:
            raise UserError(f"random_erasing is {self.random_erasing}, expected a probability from 0 to 1")

    @property
    def mixes(self) -> bool:
        """True where batches are mixed, so that labels are soft."""
        return self.mode == "advanced" and max(self.mixup_alpha, self.cutmix_alpha) > 0


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The recipe of one training run. The defaults suit a few thousand photos; configs/ holds the paper's numbers.

    Attributes:
      epochs: passes over the training split.
      batch_size: images per replica at input_size (the paper: 1,024 over all replicas).
      input_size: side of the square evaluation input in pixels, and of training crops without multi-scale.
      multiscale: sizes that the multi-scale sampler draws from (the paper: 160,192,256,288,320); empty for none.
      learning_rate: peak, reached at the end of the warm-up.
      warmup_learning_rate, min_learning_rate: at step 0, and where the cosine ends.
      warmup_steps: optimizer steps of the warm-up; None takes 5 % of the run, at most the paper's 3,000.
      weight_decay: decoupled, times the learning rate, as in AdamW.
      decay_norm_and_bias: decay every parameter, as Apple's configuration does; False leaves out norms and biases.
      clip_norm: longest gradient of all weights together that a step takes; 0 for no limit, as in the paper.
      label_smoothing: in [0, 1).
      ema_decay: of the weight average that is evaluated and saved; 0 turns it off.
      ema_warmup: min(ema_decay, (1 + step) / (10 + step)), for runs too short for the decay alone.
      class_weights: weigh the loss by the inverse frequency of the classes.
      init_from: weights to start from: a run directory, or published ones by name (`pretrained.hub_names`).
      freeze_epochs: epochs in which only the classifier learns (with init_from), BatchNorm in inference mode.
      seed: of initial weights, order, augmentation and dropout.
      strategy: "mirrored", "multi_worker" or "one_device".
      mixed_precision: "", "bfloat16" or "float16".
      data_service: grpc://HOST:PORT of a tf.data service whose workers decode the photos; "" for this machine.
      validate_every: epochs from one validation to the next; the last epoch is validated whatever this is.
      steps_per_call: steps in one call of the graph; more than 1 takes Python off the path of fast accelerators.
      checkpoint_steps: steps between checkpoints, beside the one at the end of every epoch.
      keep_checkpoints: how many of the newest are kept, beside the best.
      on_nan: "stop", or "rollback": halve the learning rate and go on from the last checkpoint, at most three times.
    """

    epochs: int = 60
    batch_size: int = 32
    input_size: int = 256
    multiscale: tuple[int, ...] = ()
    learning_rate: float = 1e-3
    warmup_learning_rate: float = 1e-4
    min_learning_rate: float = 1e-5
    warmup_steps: int | None = None
    weight_decay: float = 0.01
    decay_norm_and_bias: bool = True
    clip_norm: float = 1.0
    label_smoothing: float = 0.1
    ema_decay: float = 0.9995
    ema_warmup: bool = True
    class_weights: bool = False
    init_from: str | None = None
    freeze_epochs: int = 0
    seed: int = 0
    strategy: str = "mirrored"
    mixed_precision: str = ""
    data_service: str = ""
    validate_every: int = 1
    steps_per_call: int = 1
    checkpoint_steps: int = 500
    keep_checkpoints: int = 2
    on_nan: str = "stop"

    def __post_init__(self) -> None:
        counts = ("epochs", "batch_size", "input_size", "validate_every", "steps_per_call", "checkpoint_steps")
        for key in (*counts, "keep_checkpoints"):
            if getattr(self, key) < 1:
                raise UserError(f"{key} is {getattr(self, key)}, expected at least 1")
        if any(size < 1 for size in self.multiscale):
            raise UserError(f"multiscale is {self.multiscale}, expected sizes in pixels such as 160,192,256,288,320")
        for key in ("freeze_epochs", "warmup_steps", "warmup_learning_rate", "clip_norm"):
            if (getattr(self, key) or 0) < 0:
                raise UserError(f"{key} is {getattr(self, key)}, expected at least 0")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed is {self.seed}, expected a whole number from 0 to 2147483647")
        for key in ("weight_decay", "label_smoothing", "ema_decay"):
            if not 0 <= getattr(self, key) < 1:
                raise UserError(f"{key} is {getattr(self, key)}, expected a number in [0, 1)")
        if not 0 < self.min_learning_rate <= self.learning_rate:
            low, high = self.min_learning_rate, self.learning_rate
            raise UserError(f"learning rate {high}, expected at least the minimum {low}, above 0")
        if self.freeze_epochs and not self.init_from:
            raise UserError("freeze_epochs needs init_from: a random backbone is of no use frozen")
        if self.data_service and not re.fullmatch(r"grpc://[^/\s]+:[0-9]{1,5}", self.data_service):
            raise UserError(f"data_service is {self.data_service!r}, expected an address such as grpc://host:5050")
        if self.data_service and self.strategy == "multi_worker":
            raise UserError("data_service feeds one machine with any number of GPUs: not with strategy multi_worker")
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                raise UserError(f"{key} is {getattr(self, key)!r}, expected one of {', '.join(map(repr, choices))}")


_CHOICES = {
    "strategy": ("mirrored", "multi_worker", "one_device"),
    "mixed_precision": ("", "bfloat16", "float16"),
    "on_nan": ("stop", "rollback"),
}
