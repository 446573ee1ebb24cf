"""A small model of every family: the layers and their order are the family's, widths and depths are a test's."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers
from tf_keras.src.applications.densenet import DenseNet

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import (
    botnet,
    espnet,
    mobile_former,
    mobilenet_v4,
    mobilevit_v2,
    resnet,
    shufflenet,
)
from mobilevit_tf.families.mobilevit_v2_sizes import Stage
from mobilevit_tf.families.transformers import (
    cait,
    ceit,
    convit,
    crossvit,
    deepvit,
    deit,
    localvit,
    pit,
    pvt,
    t2t,
    vil,
)
from mobilevit_tf.layers import convolution, ends
from mobilevit_tf.models import build

SIZE = 64  # pixels a side
CLASSES = 10
_WHOLE = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "efficientnet_b0", "resnet50")  # tf_keras.applications'

_VIL = vil.ViLSize(
    (vil.Stage(1, 4, 2, 48, window=3), vil.Stage(1, 2, 3, 96, window=3), vil.Stage(1, 2, 3, 96, grid=(4, 4)),
     vil.Stage(1, 2, 4, 128, grid=(2, 2), token=False))
)  # fmt: skip
_PVT = pvt.Size(
    (pvt.Stage(4, 32, 4, 1, 2, 1), pvt.Stage(2, 32, 2, 2, 2, 1), pvt.Stage(2, 48, 1, 3, 2, 2)), image=(SIZE, SIZE)
)
_TRANSFORMERS: dict[str, tuple[Callable, Any]] = {
    "vit_ti": (deit.features, deit.ViTSize(dim=48, depth=2, ffn_dim=96)),
    "ceit_t": (ceit.features, ceit.Size(8, 48, 5, 3, 96, grid=(4, 4))),
    "pvt_tiny": (pvt.features, _PVT),
    "t2t_vit_7": (t2t.features, t2t.Size(2, 32, 2, 48, 16)),
    "cait_xxs24": (cait.features, cait.Size(dim=48, depth=2, class_depth=2, num_heads=3, hidden=96, layer_scale=0.5)),
    "deepvit_16": (deepvit.features, deepvit.Size(24, 48, depth=2, num_heads=3)),
    "deepvit_s": (deepvit.features, deepvit.Size(24, 48, 8, 1, 0.5, 0.5, 2, 3)),
    "pit_ti": (pit.features, pit.PiTSize((32, 64, 64), (1, 2, 1), (2, 4, 4))),
    "localvit_t": (localvit.features, localvit.LocalViTSize(2, 4, dim=32, depth=2)),
    "localvit_t_mlp6": (localvit.features, localvit.LocalViTSize(2, 0, dim=32, depth=2)),
    "convit_ti": (convit.features, convit.ConViTSize(96, depth=2, gated=1)),
    "vil_tiny_rpb": (vil.features, _VIL),
}  # fmt: skip
# Of families whose depths and widths are constants of their module: what is exchanged there.
_PATCHED: dict[str, list[tuple[Any, str, Any]]] = {
    "bot50": [(resnet, "WIDTHS", (8, 16, 24, 32)), (botnet, "DEPTHS", (1, 1, 1, 2))],
    "seresnet50": [(resnet, "WIDTHS", (16, 32)), (resnet, "DEPTHS", {"seresnet50": (1, 2)})],
    "espnetv2_100": [(espnet, "CHANNELS", {"espnetv2_100": (16, 32, 64, 96, 128)}), (espnet, "REPEATS", (0, 1, 1, 1))],
    "shufflenet_v2": [(shufflenet, "STAGES", ((16, 2), (24, 2)))],
    "mobilenet_v4_s": [(mobilenet_v4, "STAGES", (
        (48, (mobilenet_v4.Block(5, 5, 2, 2), mobilenet_v4.Block(0, 3, 2), mobilenet_v4.Block(3, 0, 2))),))],
    "mobile_former_26m": [(mobile_former, "SIZES", {"mobile_former_26m": mobile_former.Size(
        8, (3, 12, 2), ((12, 3, 1), (24, 6, 2), (24, 3, 1)), (3, 32), 64, groups=4)})],
    "mobile_former_96m": [(mobile_former, "SIZES", {"mobile_former_96m": mobile_former.Size(
        8, (2, 12, 1), ((12, 3, 2), (24, 6, 2), (24, 3, 1)), (4, 32), 64)})],
}  # fmt: skip


def _crossvit() -> tf_keras.Model:
    size = crossvit.CrossViTSize((32, 48), (1, 2), (2, 3), 2, encoders=2)
    image = ends.image_input(SIZE, SIZE)
    features = crossvit.features(ends.standardize(image), size)
    return tf_keras.Model(image, crossvit.classifier(features, CLASSES, 0.0))


def _mobilevit_v2() -> tf_keras.Model:
    image = ends.image_input(SIZE, SIZE)
    x = convolution.conv_norm(image, 8, "stem", kernel=3, stride=2, act="swish")
    x = mobilevit_v2._block(x, Stage(12, 8, 2), 2, 0.1, "block")
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(image, ends.classifier(x, CLASSES, 0.1))


def _densenet() -> tf_keras.Model:
    def features(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
        backbone = DenseNet([2, 2, 2], include_top=False, weights=None, input_tensor=image)
        return keras_layers.GlobalAveragePooling2D(name="pool")(backbone.output)

    return _plain(features)


def _plain(features: Callable) -> tf_keras.Model:
    image = ends.image_input(SIZE, SIZE)
    return tf_keras.Model(image, ends.classifier(features(ends.standardize(image)), CLASSES, 0.0))


def _transformer(name: str) -> tf_keras.Model:
    function, size = _TRANSFORMERS[name]
    return _plain(lambda image: function(image, size))


def _patched(name: str) -> tf_keras.Model:
    with contextlib.ExitStack() as stack:
        for module, constant, value in _PATCHED[name]:
            stack.enter_context(mock.patch.object(module, constant, value))
        return build.build(ModelConfig(name, CLASSES), SIZE, SIZE)


def _whole(variant: str) -> tf_keras.Model:
    return build.build(ModelConfig(variant, CLASSES), SIZE, SIZE)


# By variant of the catalogue: the function that builds the small model.
SMALL: dict[str, Callable[[], tf_keras.Model]] = {
    "tiny": lambda: build.build(ModelConfig("tiny", CLASSES), SIZE, SIZE),
    "v2_050": _mobilevit_v2,
    "densenet121": _densenet,
    "crossvit_ti": _crossvit,
    **{name: functools.partial(_patched, name) for name in _PATCHED},
    **{name: functools.partial(_transformer, name) for name in _TRANSFORMERS},
    **{name: functools.partial(_whole, name) for name in _WHOLE},
}
