"""TFLite metadata that Android Studio, the Task Library and MediaPipe read, and this project's own beside it.

The associated files (labels, ImageSpec, ModelInfo) are an uncompressed ZIP behind the flatbuffer, with pinned times:
the same model gives the same bytes.
"""

from __future__ import annotations

import ctypes
import io
import zipfile

import flatbuffers
import libusb_package

from mobilevit_tf import catalog
from mobilevit_tf.evaluation.tflite_model import INFO_FILE, LABELS_FILE, SPEC_FILE, ModelInfo
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.labels import check_labels

# The metadata library links to libusb, which a bare machine lacks: the wheel's own copy is loaded first.
ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)

from tensorflow_lite_support.metadata import metadata_schema_py_generated as schema  # noqa: E402
from tensorflow_lite_support.metadata.python import metadata  # noqa: E402

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the ZIP format's zero
_AUTHOR = "MobileViT-TF"


def populate(model: bytes, labels: tuple[str, ...], spec: ImageSpec, info: ModelInfo) -> bytes:
    """The .tflite with its metadata.

    Args:
      model: a flatbuffer without metadata, one input [1, height, width, 3] and one output [1, len(labels)].
      labels: class names in the order of the output.
      spec: preprocessing; its normalisation must be plain (RGB in [0, 1]).
      info: name, mode, version, licence and run id.

    Raises:
      UserError: for labels that readers refuse (`check_labels`).
      ValueError: for a spec whose normalisation no reader could repeat.
    """
    check_labels(labels, len(labels))
    if not spec.is_plain:
        raise ValueError(f"{spec}: normalisation belongs into the graph, the file's spec is plain")
    files = {
        LABELS_FILE: ("\n".join(labels) + "\n").encode(),
        SPEC_FILE: (spec.to_json() + "\n").encode(),
        INFO_FILE: (info.to_json() + "\n").encode(),
    }
    writer = metadata.MetadataPopulator.with_model_buffer(bytearray(model))
    writer.load_metadata_buffer(_metadata(labels, spec, info))
    writer.load_associated_file_buffers({name: bytearray(content) for name, content in files.items()})
    writer.populate()
    return _with_pinned_zip(bytes(writer.get_model_buffer()), files)


def _metadata(labels: tuple[str, ...], spec: ImageSpec, info: ModelInfo) -> bytearray:
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [_image(spec)], [_scores(labels)]
    graph.associatedFiles = [
        _file(SPEC_FILE, "Preprocessing contract: resize, crop, colour order", schema.AssociatedFileType.UNKNOWN),
        _file(INFO_FILE, "Variant, export mode, training run", schema.AssociatedFileType.UNKNOWN),
    ]
    model = schema.ModelMetadataT()
    model.name, model.version, model.author, model.license = info.name, info.version, _AUTHOR, info.license
    started = f" Training started from {info.origin}." if info.origin else ""
    model.description = (
        f"Classifies a photo into {len(labels)} classes with {_title(info.variant)} ({info.mode}). "
        f"Training run: {info.run_id or 'unknown'}.{started}"
    )
    model.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), metadata.MetadataPopulator.METADATA_FILE_IDENTIFIER)
    return builder.Output()


def _title(variant: str) -> str:
    """Of a model of the catalogue; a file may be made of one that it does not know."""
    return catalog.MODELS[variant].title if variant in catalog.MODELS else variant


def _image(spec: ImageSpec) -> schema.TensorMetadataT:
    """mean 0 and std 255: readers that normalise give [0, 1]; a uint8 input takes the raw pixels all the same."""
    tensor = schema.TensorMetadataT()
    tensor.name = "image"
    tensor.description = f"RGB photo of {spec.width} x {spec.height} pixels, see {SPEC_FILE}"
    tensor.content = _content(schema.ContentProperties.ImageProperties, schema.ImagePropertiesT())
    tensor.content.contentProperties.colorSpace = schema.ColorSpaceType.RGB
    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = schema.NormalizationOptionsT()
    unit.options.mean, unit.options.std = [0.0], [255.0]
    tensor.processUnits = [unit]
    tensor.stats = _stats(0.0, 1.0)
    return tensor


def _scores(labels: tuple[str, ...]) -> schema.TensorMetadataT:
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.description = "probability", f"Scores of the {len(labels)} classes, summing to 1"
    tensor.content = _content(schema.ContentProperties.FeatureProperties, schema.FeaturePropertiesT())
    tensor.associatedFiles = [_file(LABELS_FILE, "Class names", schema.AssociatedFileType.TENSOR_AXIS_LABELS)]
    tensor.stats = _stats(0.0, 1.0)
    return tensor


def _content(kind: int, properties: object) -> schema.ContentT:
    content = schema.ContentT()
    content.contentPropertiesType, content.contentProperties = kind, properties
    return content


def _stats(low: float, high: float) -> schema.StatsT:
    stats = schema.StatsT()
    stats.min, stats.max = [low], [high]
    return stats


def _file(name: str, description: str, kind: int) -> schema.AssociatedFileT:
    file = schema.AssociatedFileT()
    file.name, file.description, file.type = name, description, kind
    return file


def _with_pinned_zip(populated: bytes, files: dict[str, bytes]) -> bytes:
    """The same files packed again behind the flatbuffer, in fixed order with fixed times, uncompressed."""
    with zipfile.ZipFile(io.BytesIO(populated)) as archive:
        end = min(entry.header_offset for entry in archive.infolist())
    buffer = io.BytesIO()
    buffer.write(populated[:end])
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), content)
    return buffer.getvalue()
