"""The models that the paper compares MobileViT with, by name, for the same pipeline: RGB in [0, 1] -> logits.

The convolutional ones are tf_keras.applications without weights. What differs from there: the standardisation is in
the graph, dropout is stateless (a resumed run repeats it), and the last layer is the dense "classifier" of logits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import applications
from tf_keras import layers as keras_layers

from mobilevit_tf.errors import UserError
from mobilevit_tf.families import deit
from mobilevit_tf.layers.blocks import BATCH_NORM_MOMENTUM
from mobilevit_tf.layers.dropout import StatelessDropout, StatelessDropPath

MIN_SIZE = 32  # pixels: the total stride of all of them

_SIGNED = {"scale": 2.0, "offset": -1.0}  # [0, 1] -> [-1, 1]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]
_STANDARD = {"scale": [1 / std for std in _STD], "offset": [-mean / std for mean, std in zip(_MEAN, _STD, strict=True)]}


@dataclasses.dataclass(frozen=True)
class Baseline:
    """One architecture.

    Attributes:
      features: images in the architecture's own range [B, H, W, 3] -> features [B, C].
      rescale: scale and offset from [0, 1] to that range.
    """

    features: Callable
    rescale: dict


def _pooled(application: Callable, **settings) -> Callable:
    def features(image):
        backbone = application(include_top=False, weights=None, input_tensor=image, **settings)
        return keras_layers.GlobalAveragePooling2D(name="pool")(backbone.output)

    return features


def _mobilenet_v3(image):
    """MobileNetV3-Large, with the wide layer that follows the pooling (arXiv 1905.02244, Table 1)."""
    backbone = applications.MobileNetV3Large(
        include_top=False, weights=None, input_tensor=image, include_preprocessing=False
    )
    x = keras_layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = keras_layers.Dense(1280, name="head")(x)
    gate = keras_layers.ReLU(6.0, name="head_relu6")(keras_layers.Rescaling(1.0, 3.0, name="head_shift")(x))
    gate = keras_layers.Rescaling(1 / 6, name="head_gate")(gate)
    return keras_layers.Multiply(name="head_hard_swish")([x, gate])  # x * relu6(x + 3) / 6


def _efficientnet_b0(image):
    """EfficientNet-B0 without the application's own scaling and with stateless stochastic depth."""
    backbone = applications.EfficientNetB0(include_top=False, weights=None, input_tensor=image)

    def replace(layer):
        if isinstance(layer, keras_layers.Dropout):  # noise shape [B, 1, 1, 1]
            return StatelessDropPath(layer.rate, name=layer.name)
        if isinstance(layer, keras_layers.Rescaling | keras_layers.Normalization) and layer.name != "standardize":
            return keras_layers.Activation("linear", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    clone = tf_keras.models.clone_model(backbone, backbone.input, replace)
    return keras_layers.GlobalAveragePooling2D(name="pool")(clone.output)


BASELINES: dict[str, Baseline] = {
    "mobilenet_v1": Baseline(_pooled(applications.MobileNet), _SIGNED),
    "mobilenet_v2": Baseline(_pooled(applications.MobileNetV2), _SIGNED),
    "mobilenet_v2_060": Baseline(_pooled(applications.MobileNetV2, alpha=0.6), _SIGNED),  # about as large as XXS
    "mobilenet_v3": Baseline(_mobilenet_v3, _SIGNED),
    "resnet50": Baseline(_pooled(applications.ResNet50), _STANDARD),
    "densenet121": Baseline(_pooled(applications.DenseNet121), _STANDARD),
    "efficientnet_b0": Baseline(_efficientnet_b0, _STANDARD),
    "vit_ti": Baseline(lambda image: deit.features(image, deit.ViTSize()), _STANDARD),
}


def build(
    name: str,
    num_classes: int,
    height: int | None = None,
    width: int | None = None,
    *,
    batch_size: int | None = None,
    dropout: float = 0.0,
) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      name: a key of `BASELINES`.
      num_classes: width of the logits.
      height, width: input size in pixels, at least 32; None builds one graph for any size. With weights of one, the
        other gives the same numbers where both sides divide by 32.
      batch_size: B, None for any.
      dropout: before the classifier.

    Raises:
      UserError: for an unknown name or a smaller input.
    """
    if name not in BASELINES:
        raise UserError(f"baseline {name!r} is not known, expected one of {', '.join(BASELINES)}")
    if min(height or MIN_SIZE, width or MIN_SIZE) < MIN_SIZE:
        raise UserError(f"{name} needs an input of at least {MIN_SIZE} x {MIN_SIZE} pixels, not {height} x {width}")
    baseline = BASELINES[name]
    image = keras_layers.Input((height, width, 3), batch_size, name="image")
    x = baseline.features(keras_layers.Rescaling(**baseline.rescale, name="standardize")(image))
    if dropout:
        x = StatelessDropout(dropout, name="classifier_dropout")(x)
    logits = keras_layers.Dense(num_classes, dtype="float32", name="classifier")(x)
    model = tf_keras.Model(image, logits, name=name)
    for layer in model.layers:
        if isinstance(layer, keras_layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM  # tf_keras' 0.999 needs more steps than a small data set has
    return model
