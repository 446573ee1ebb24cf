"""The models that the paper compares MobileViT with, by name, for the same pipeline: RGB in [0, 1] -> logits.

The convolutional ones are tf_keras.applications without weights. What differs from there: the standardisation is in
the graph, dropout is stateless (a resumed run repeats it), and the last layer is the dense "classifier" of logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import applications
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import ends
from mobilevit_tf.layers.blocks import BATCH_NORM_MOMENTUM
from mobilevit_tf.layers.dropout import StatelessDropPath
from mobilevit_tf.layers.gates import hard_swish


def _pooled(application: Callable, **settings: Any) -> Callable:
    def features(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
        backbone = application(include_top=False, weights=None, input_tensor=image, **settings)
        return keras_layers.GlobalAveragePooling2D(name="pool")(backbone.output)

    return features


def _mobilenet_v3(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    """MobileNetV3-Large, with the wide layer that follows the pooling (arXiv 1905.02244, Table 1)."""
    backbone = applications.MobileNetV3Large(
        include_top=False, weights=None, input_tensor=image, include_preprocessing=False
    )
    x = keras_layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = keras_layers.Dense(1280, name="head")(x)
    return hard_swish(x, "head")


def _efficientnet_b0(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    """EfficientNet-B0 without the application's own scaling and with stateless stochastic depth."""
    backbone = applications.EfficientNetB0(include_top=False, weights=None, input_tensor=image)

    def replace(layer: keras_layers.Layer) -> keras_layers.Layer:
        if isinstance(layer, keras_layers.Dropout):  # noise shape [B, 1, 1, 1]
            return StatelessDropPath(layer.rate, name=layer.name)
        if isinstance(layer, keras_layers.Rescaling | keras_layers.Normalization) and layer.name != "standardize":
            return keras_layers.Activation("linear", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    clone = tf_keras.models.clone_model(backbone, backbone.input, replace)
    return keras_layers.GlobalAveragePooling2D(name="pool")(clone.output)


# By name: how images come in, and the network from there to features [B, C].
_NETWORKS: dict[str, tuple[Callable, Callable]] = {
    "mobilenet_v1": (ends.to_signed, _pooled(applications.MobileNet)),
    "mobilenet_v2": (ends.to_signed, _pooled(applications.MobileNetV2)),
    "mobilenet_v2_060": (ends.to_signed, _pooled(applications.MobileNetV2, alpha=0.6)),
    "mobilenet_v3": (ends.to_signed, _mobilenet_v3),
    "resnet50": (ends.standardize, _pooled(applications.ResNet50)),
    "resnet101": (ends.standardize, _pooled(applications.ResNet101)),
    "densenet121": (ends.standardize, _pooled(applications.DenseNet121)),
    "densenet169": (ends.standardize, _pooled(applications.DenseNet169)),
    "efficientnet_b0": (ends.standardize, _efficientnet_b0),
}


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size. With weights of one, the
        other gives the same numbers where both sides divide by 32.

    Raises:
      UserError: for a smaller input.
    """
    name = config.variant
    ends.check_size(name, height, width)
    scaled, features = _NETWORKS[name]
    image = ends.image_input(height, width)
    logits = ends.classifier(features(scaled(image)), config.num_classes, config.rates[1])
    model = tf_keras.Model(image, logits, name=name)
    for layer in model.layers:
        if isinstance(layer, keras_layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM  # tf_keras' 0.999 needs more steps than a small data set has
    return model
