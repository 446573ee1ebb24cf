"""Running an exported .tflite with what the file itself says: labels, ImageSpec, model info. No TensorFlow.

The files travel as an uncompressed ZIP appended to the flatbuffer: `labels.txt`, `image_spec.json`, `model_info.json`.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec

LABELS_FILE, SPEC_FILE, INFO_FILE = "labels.txt", "image_spec.json", "model_info.json"
INFO_SCHEMA_VERSION = 1
MAX_PART_BYTES = 2**22  # of labels or JSON; a stranger's file may claim gigabytes


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What the file says of itself, beside labels and preprocessing (`model_info.json`).

    Attributes:
      name: shown to people, such as "MobileViT-XXS flowers int8".
      variant, mode: model size and export mode.
      version: of the project that exported it.
      license: of the weights.
      run_id: training run that the weights come from.
      temperature: divides the logits, already folded into the classifier; kept for the record.
      unsure_below: top score below which the answer is "unsure", in [0, 1].
      schema_version: readers refuse a newer one.
    """

    name: str
    variant: str
    mode: str
    version: str
    license: str
    run_id: str
    temperature: float = 1.0
    unsure_below: float = 0.0
    schema_version: int = INFO_SCHEMA_VERSION

    def __post_init__(self) -> None:
        numbers = (self.temperature, self.unsure_below)
        texts = (self.name, self.variant, self.mode, self.version, self.license, self.run_id)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, int | float) for n in numbers):
            raise TypeError("a value of the wrong type")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Answer for one photo: scores [N] in [0, 1] by class, the pixels the model saw, times in milliseconds.

    `photo_size` is (height, width) of the decoded photo, upright, before crop and resize.
    """

    scores: np.ndarray
    pixels: np.ndarray
    photo_size: tuple[int, int]
    preprocess_ms: float
    inference_ms: float


def _read_part(archive: zipfile.ZipFile, part: str) -> str:
    if archive.getinfo(part).file_size > MAX_PART_BYTES:
        raise ValueError(f"{part} is too large")
    return archive.read(part).decode()


def read_metadata(data: bytes, name: str) -> tuple[tuple[str, ...], ImageSpec, ModelInfo]:
    """The labels, ImageSpec and ModelInfo in a .tflite's bytes; `name` is for the messages.

    Raises:
      UserError: where the file has none, or of a newer schema.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            labels, spec, info = (_read_part(archive, part) for part in (LABELS_FILE, SPEC_FILE, INFO_FILE))
            values = json.loads(info)
            known = {field.name for field in dataclasses.fields(ModelInfo)}
            if values["schema_version"] > INFO_SCHEMA_VERSION:
                raise UserError(f"{name}: its metadata is newer than this reader: update the project")
            details = ModelInfo(**{key: value for key, value in values.items() if key in known})
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, OSError, EOFError, RuntimeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{name} carries no labels and preprocessing of this project: export it with `python quantize/export.py`"
        ) from error
    return tuple(labels.splitlines()), ImageSpec.from_json(spec), details


class TFLiteModel:
    """A classifier in a .tflite that this project exported.

    Attributes:
      path, labels, spec, info: the file and what its metadata says.
      interpreter: the runtime, allocated; one instance serves one thread.
      operators: how often each operator occurs in the graph, by its name in the format.
      partitions: how many pieces of the graph the XNNPACK delegate took: 1 is best, each more is a round trip.
    """

    def __init__(self, path: str | Path, num_threads: int = 1, xnnpack: bool = True):
        """Loads `path`.

        Raises:
          UserError: for a missing, truncated or foreign file. For a file you do not trust call `probe` first: the
            runtime itself can crash on a damaged one.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"no model at {self.path}: make one with `python quantize/export.py`")
        data = self.path.read_bytes()
        if data[4:8] != b"TFL3":
            raise UserError(f"{self.path} is not a TensorFlow Lite model: expected a .tflite of this project")
        self.labels, self.spec, self.info = read_metadata(data, str(self.path))
        resolver = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self.interpreter = Interpreter(
                model_content=data, num_threads=num_threads, experimental_op_resolver_type=resolver
            )
            self.interpreter.allocate_tensors()
            self._input = self.interpreter.get_input_details()[0]
            self._output = self.interpreter.get_output_details()[0]
            self.operators = collections.Counter(op["op_name"] for op in self.interpreter._get_ops_details())
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{self.path} does not load in the runtime: it is damaged, export it again") from error
        self.partitions = self.operators.pop("DELEGATE", 0)
        self._check_shapes()

    def _check_shapes(self) -> None:
        expected = [1, *self.spec.size, 3]
        if list(self._input["shape"]) != expected or list(self._output["shape"]) != [1, len(self.labels)]:
            raise UserError(
                f"{self.path}: input {list(self._input['shape'])} and output {list(self._output['shape'])} do not fit "
                f"its own metadata ({expected}, {len(self.labels)} labels): export it again"
            )

    def scores(self, image: np.ndarray) -> np.ndarray:
        """uint8 [height, width, 3] in the spec's colour order -> float32 scores [N] in [0, 1]."""
        values = image if self._input["dtype"] == np.uint8 else self.spec.normalize(image)
        self.interpreter.set_tensor(self._input["index"], values[np.newaxis])
        self.interpreter.invoke()
        output = self.interpreter.get_tensor(self._output["index"])[0]
        if self._output["dtype"] == np.float32:
            return output
        scale, zero_point = self._output["quantization"]
        return (output.astype(np.float32) - zero_point) * np.float32(scale)

    def classify(self, data: bytes, protocol: str = "crop") -> Prediction:
        """Photo bytes -> Prediction. Raises BadImage for bytes that are no usable picture."""
        start = time.perf_counter()
        photo = pixels.decode_image(data)
        image = pixels.resize(photo, self.spec, protocol)
        middle = time.perf_counter()
        scores = self.scores(image)
        end = time.perf_counter()
        return Prediction(scores, image, (photo.height, photo.width), (middle - start) * 1e3, (end - middle) * 1e3)


def probe(path: str | Path, timeout_s: float = 60.0) -> None:
    """Loads and runs a file of unknown origin once in a child process, where a crash of the runtime hurts nobody.

    Raises:
      UserError: with the child's sentence, or saying that the file crashed the runtime.
    """
    command = [sys.executable, "-m", "mobilevit_tf.evaluation.tflite_model", str(path)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{path} did not answer within {timeout_s:.0f} s: it is damaged, export it again") from error
    if child.returncode == 0:
        return
    lines = [line for line in child.stderr.splitlines() if line.startswith("error: ")]
    raise UserError(lines[-1].removeprefix("error: ") if lines else f"{path} crashes the runtime: it is damaged")


def _probe_child() -> None:
    model = TFLiteModel(sys.argv[1])
    black = np.zeros((*model.spec.size, 3), np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, black.shape, np.uint8)
    for image in (black, noise):
        try:
            scores = model.scores(image)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{model.path} does not run: it is damaged, export it again") from error
        if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1.001):
            raise UserError(f"{model.path} gives numbers that are no scores: it is damaged, export it again")


if __name__ == "__main__":
    run_cli(_probe_child)
