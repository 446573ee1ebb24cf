"""Running an exported .tflite with what the file itself says: labels, ImageSpec, model info. No TensorFlow.

The files travel as an uncompressed ZIP appended to the flatbuffer: `labels.txt`, `image_spec.json`, `model_info.json`.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mobilevit_tf import strict_json
from mobilevit_tf.errors import UserError
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.labels import check_labels

LABELS_FILE, SPEC_FILE, INFO_FILE = "labels.txt", "image_spec.json", "model_info.json"
INFO_SCHEMA_VERSION = 1
_LATER = ("none_of_these", "origin")  # fields of ModelInfo that the first files did not have
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
      none_of_these: below `unsure_below` the answer is "none of these": photos of none of the classes fitted it.
      origin: published weights that training started from; "" where there are none.
      schema_version: readers refuse a newer one.

    Types, and the bounds of `bounded` fields, are checked here and nowhere else. A new field needs one line and a
    default: older files lack it, older readers pass over it.
    """

    name: str
    variant: str
    mode: str
    version: str
    license: str
    run_id: str
    temperature: float = strict_json.bounded(1e-6, 1e6, default=1.0)
    unsure_below: float = strict_json.bounded(0, 1, default=0.0)
    none_of_these: bool = False
    origin: str = ""
    schema_version: int = strict_json.bounded(1, INFO_SCHEMA_VERSION, default=INFO_SCHEMA_VERSION)

    def __post_init__(self) -> None:
        strict_json.check(type(self), dataclasses.asdict(self), "model info")

    def to_json(self) -> str:
        """The fields by name; one that came later only where it says something: older files keep their bytes."""
        values = dataclasses.asdict(self)
        return json.dumps({key: value for key, value in values.items() if key not in _LATER or value}, sort_keys=True)


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
    """One text of the file; only as much is unpacked as may be there, whatever the entry's header claims."""
    entry = archive.getinfo(part)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others do not bound a read
        raise ValueError(f"{part} is packed in a way that is not read")
    with archive.open(entry) as file:
        data = file.read(MAX_PART_BYTES + 1)
    if len(data) > MAX_PART_BYTES:
        raise ValueError(f"{part} is too large")
    return data.decode()


def read_metadata(data: bytes, name: str) -> tuple[tuple[str, ...], ImageSpec, ModelInfo]:
    """The labels, ImageSpec and ModelInfo in a .tflite's bytes; `name` is for the messages.

    Raises:
      UserError: where the file has none, of a newer schema, or with a value that is not what the schema says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            labels, spec, info = (_read_part(archive, part) for part in (LABELS_FILE, SPEC_FILE, INFO_FILE))
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, NotImplementedError, OSError, EOFError,
            RuntimeError) as error:  # fmt: skip
        raise UserError(
            f"{name} carries no labels and preprocessing of this project: export it with `python quantize/export.py`"
        ) from error
    names = tuple(labels.splitlines())
    try:
        values = strict_json.parse_object(info, INFO_FILE)
        version = values.get("schema_version")
        if isinstance(version, int) and version > INFO_SCHEMA_VERSION:
            raise UserError("its metadata is newer than this reader: update the project")
        check_labels(names, len(names))
        return names, ImageSpec.from_json(spec), strict_json.build(ModelInfo, values, INFO_FILE, ignore_unknown=True)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


class TFLiteModel:
    """A classifier in a .tflite that this project exported.

    Attributes:
      path, labels, spec, info: the file and what its metadata says.
      interpreter: the runtime, allocated; one instance serves one thread.
      operators: how often each operator occurs in the graph, by its name in the format.
      partitions: how many pieces of the graph the XNNPACK delegate took: 1 is best, each more is a round trip.
    """

    def __init__(self, path: str | Path, num_threads: int = 1, xnnpack: bool = True) -> None:
        """Loads `path`.

        Raises:
          UserError: for a missing, truncated or foreign file. For a file you do not trust call `probe.probe` first: the
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
