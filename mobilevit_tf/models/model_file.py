"""One self-describing file for a trained model: `model.safetensors` in a run directory.

The tensors are the weights by name ("stem_conv/kernel"); the header holds the ModelConfig, the ImageSpec and the
class names, so that export, preview, fine-tuning and evaluation need nothing else. The file is written to a temporary
name and renamed; a truncated or foreign one is refused in one sentence. No TensorFlow here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from mobilevit_tf import strict_json
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.data import imagenet
from mobilevit_tf.errors import UserError
from mobilevit_tf.files import write_atomic
from mobilevit_tf.image.image_spec import ImageSpec

NAME = "model.safetensors"
MAX_FILE_BYTES = 2**32  # ten times the largest model of the catalogue
SCHEMA_VERSION = 1
_CLASSIFIER = ("classifier/bias", "classifier/kernel")
_INIT_STDDEV = 0.02  # truncated normal, as Apple initialises dense layers
LICENSE = "Apache-2.0"  # of weights that this project trained from scratch


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """A trained model.

    Attributes:
      config: what `models.build` takes.
      spec: the preprocessing that the weights were trained with.
      labels: class names in the order of the logits.
      weights: float32 arrays by name (EMA weights where a run keeps them).
      run_id: name of the training run, carried into the .tflite.
      license: of the weights, carried into fine-tuned models and the .tflite.
      origin: published weights that these come from, carried along in the same way; "" where there are none.
    """

    config: ModelConfig
    spec: ImageSpec
    labels: tuple[str, ...]
    weights: Mapping[str, np.ndarray]
    run_id: str = ""
    license: str = LICENSE
    origin: str = ""

    def __post_init__(self) -> None:
        if len(self.labels) != self.config.num_classes:
            classes = self.config.num_classes
            raise UserError(f"{len(self.labels)} labels for a model of {classes} classes: expected one label a class")


def save(path: str | Path, model: ModelFile) -> Path:
    """Writes `model` to `path`, a file or a run directory."""
    header = {
        "schema_version": str(SCHEMA_VERSION),
        "model_config": json.dumps(dataclasses.asdict(model.config)),
        "image_spec": model.spec.to_json(),
        "labels": json.dumps(list(model.labels)),
        "run_id": model.run_id,
        "license": model.license,
    } | ({"origin": model.origin} if model.origin else {})
    tensors = {name: np.ascontiguousarray(value) for name, value in sorted(model.weights.items())}
    return write_atomic(_file(path), safetensors.numpy.save(tensors, header))


def load(path: str | Path) -> ModelFile:
    """Reads a model file or the one in a run directory; labels that are WordNet ids become ImageNet's names.

    Raises:
      UserError: where there is none, it is truncated, of another tool or of a newer schema.
    """
    path = _file(path)
    if not path.is_file():
        raise UserError(f"no model at {path}: expected a run directory of train_main.py, or one that `python -m "
                        "mobilevit_tf.pretrained` made from published weights")  # fmt: skip
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path} is larger than {MAX_FILE_BYTES // 2**30} GiB: not a model of this project")
        with safe_open(path, "np") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    except UserError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:  # kinds of numbers NumPy lacks
        raise UserError(f"{path} is truncated or not a safetensors file: train again or use another run") from error
    if "model_config" not in header:
        raise UserError(f"{path} is not a model of this project: turn published weights into one with "
                        "`python -m mobilevit_tf.pretrained`")  # fmt: skip
    _check_weights(path, weights)
    return _from_header(str(path), header, weights)


def _from_header(path: str, header: Mapping[str, str], weights: Mapping[str, np.ndarray]) -> ModelFile:
    for key in ("schema_version", "image_spec", "labels"):
        if key not in header:
            raise UserError(f"{path}: the key {key!r} is missing from its header: train again or use another run")
    version = strict_json.parse(header["schema_version"], f"{path}: schema_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise UserError(f"{path} has a schema version that this reader does not know, which is {SCHEMA_VERSION}: "
                        "update the project")  # fmt: skip
    parsed = strict_json.parse(header["model_config"], f"{path}: model_config")
    config = strict_json.build(ModelConfig, parsed, f"{path}: model_config")
    labels = strict_json.parse(header["labels"], f"{path}: labels")
    texts = {"run_id": header.get("run_id", ""), "license": header.get("license", LICENSE)}
    texts["origin"] = header.get("origin", "")
    if not isinstance(labels, list) or not all(map(strict_json.is_text, [*labels, *texts.values()])):
        raise UserError(f"{path}: labels, run_id, license and origin: expected texts: train again or use another run")
    try:
        return ModelFile(config, ImageSpec.from_json(header["image_spec"]), imagenet.readable(labels), weights, **texts)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _check_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    for name, value in weights.items():
        if value.dtype != np.float32:
            raise UserError(f"{path}: {name[:80]} holds {value.dtype} numbers, expected float32: use another run")
        if not np.isfinite(value).all():
            raise UserError(f"{path}: {name[:80]} holds NaN or infinity, expected numbers: use another run")


def reheaded(model: ModelFile, labels: Sequence[str], seed: int = 0) -> tuple[ModelFile, tuple[str, ...]]:
    """The model for other classes: a new classifier on the same backbone.

    Args:
      model: what is known so far.
      labels: the new classes. The model's own labels leave it as it is.
      seed: of the new classifier's kernel; its bias is zero.

    Returns:
      The model and the names of the weights that were left out, () where nothing changed.
    """
    labels = tuple(labels)
    if labels == model.labels:
        return model, ()
    config = dataclasses.replace(model.config, num_classes=len(labels))
    old = model.weights.get("classifier/kernel")
    if old is None or old.ndim != 2 or 0 in old.shape:
        raise UserError("the model has no classifier/kernel [features, classes]: its file belongs to another program")
    random = np.random.default_rng(seed)
    kernel = random.standard_normal((old.shape[0], len(labels)))
    while (far := np.abs(kernel) > 2).any():  # truncated at two deviations: drawn again
        kernel[far] = random.standard_normal(far.sum())
    head = {
        "classifier/kernel": (_INIT_STDDEV * kernel).astype(np.float32),
        # [N], or one for each of several heads, [heads, N]
        "classifier/bias": np.zeros((*model.weights["classifier/bias"].shape[:-1], len(labels)), np.float32),
    }
    return dataclasses.replace(model, config=config, labels=labels, weights={**model.weights, **head}), _CLASSIFIER


def weights_sha256(weights: Mapping[str, np.ndarray]) -> str:
    """Hash of names, shapes and values: equal for bit-identical weights only."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _file(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / NAME
