"""Our trained weights in a peer's own model: `python peer_weights.py PEER RUN PHOTOS.npz FOLDER`; PEER is hf or kecam.

Runs in the environment of benchmarks/requirements.txt. Checks that the peer's float logits are ours, writes
FOLDER/PEER_float32.tflite and FOLDER/PEER_int8.tflite, the latter by the full-integer recipe of the TensorFlow Lite
guide, and prints one line of JSON. PHOTOS.npz holds float32 [n, H, W, 3] in [0, 1]: "calibration" and "probe".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.families import mobilevit
from mobilevit_tf.families.mobilevit_sizes import SIZES
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.pretrained.names_mobilevit import NAMINGS, weight_map

LARGEST_DIFFERENCE = 1e-3  # of a logit
_HF_PARTS = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
             "moving_variance": "running_var"}  # fmt: skip

Logits = Callable[[tf.Tensor], tf.Tensor]


def hf(model: ModelFile) -> tuple[Logits, tuple[int, ...]]:
    """transformers' TFMobileViT with our weights; images [B, 3, H, W] -> logits [B, N]."""
    from transformers import MobileViTConfig, TFMobileViTForImageClassification

    variant = SIZES[model.config.variant]
    channels = [variant.stem, variant.layer1, variant.layer2, *(stage.channels for stage in variant.stages)]
    shape = (1, 3, *model.spec.size)
    peer = TFMobileViTForImageClassification(
        MobileViTConfig(
            hidden_sizes=[stage.transformer_dim for stage in variant.stages], expand_ratio=variant.expand_ratio,
            neck_hidden_sizes=[*channels, variant.head], num_labels=len(model.labels), image_size=model.spec.height,
        )
    )  # fmt: skip
    peer(tf.zeros(shape))
    sources = weight_map(NAMINGS["huggingface"], model.config.variant)
    names = {source.name: ours for ours, source in sources.items()}
    assign(peer.weights, model.weights, lambda name: [names[_torch_name(name)]])
    return lambda image: peer(image, training=False).logits, shape


def _torch_name(name: str) -> str:
    """ "tf_model/mobilevit/layer.0/convolution/kernel" -> "mobilevit.layer.0.convolution.weight"."""
    *path, part = name.split("/")[1:]
    return ".".join([*path, _HF_PARTS.get(part, part)])


def kecam(model: ModelFile) -> tuple[Logits, tuple[int, ...]]:
    """keras_cv_attention_models' MobileViT with our weights; images [B, H, W, 3] -> logits [B, N].

    As it is built: its own `model_surgery.prepare_for_tflite` changes the logits of this model.
    """
    from keras_cv_attention_models import mobilevit as kecam_mobilevit

    shape = (1, *model.spec.size, 3)
    build = getattr(kecam_mobilevit, f"MobileViT_{model.config.variant.upper()}")
    peer = build(input_shape=shape[1:], num_classes=len(model.labels), classifier_activation=None, pretrained=None)
    names = kecam_modules(model.config.variant)

    def ours(name: str) -> list[str]:
        module, part = name.split("/")
        return [f"{each}/{part}" for each in names[module]]

    assign(peer.weights, model.weights, ours)
    return lambda image: peer(image, training=False), shape


def kecam_modules(variant: str) -> dict[str, list[str]]:
    """kecam's layer names -> ours; its fused qkv is three of ours."""
    names = {"stem_": "stem", "features_": "head", "stack1_block1_": "layer1_mv2"}
    names |= {f"stack2_block{index + 1}_": f"layer2_mv2{index}" for index in range(3)}
    modules = {"predictions": ["classifier"]}
    for layer, stage in zip((3, 4, 5), SIZES[variant].stages, strict=True):
        vit = f"layer{layer}_vit"
        first, last = f"stack{layer}_block2_", f"stack{layer}_block{stage.depth + 1}_"
        names[f"stack{layer}_block1_"] = f"layer{layer}_mv2"
        names[f"{first}pre_1_"] = f"{vit}_local"
        modules[f"{first}pre_2_conv"] = [f"{vit}_projection_conv"]
        names |= {f"{last}post_1_": f"{vit}_output", f"{last}post_2_": f"{vit}_fusion"}
        modules[f"{last}post_ln"] = [f"{vit}_norm"]
        for index in range(stage.depth):
            theirs, ours = f"stack{layer}_block{index + 2}_", f"{vit}_transformer{index}"
            attention = f"{ours}_attention"
            modules |= {
                f"{theirs}attn_ln": [f"{ours}_norm1"], f"{theirs}mlp_ln": [f"{ours}_norm2"],
                f"{theirs}mlp_Dense_0": [f"{ours}_ffn1"], f"{theirs}mlp_Dense_1": [f"{ours}_ffn2"],
                f"{theirs}attn_mhsa_qkv": [f"{attention}_{part}" for part in ("query", "key", "value")],
                f"{theirs}attn_mhsa_output": [f"{attention}_output"],
            }  # fmt: skip
    for theirs, ours in names.items():
        if ours.startswith("layer") and "_mv2" in ours:
            for number, part, dw in ((1, "expand", ""), (2, "depthwise", "dw_"), (3, "project", "")):
                modules[f"{theirs}deep_{number}_{dw}conv"] = [f"{ours}_{part}_conv"]
                modules[f"{theirs}deep_{number}_bn"] = [f"{ours}_{part}_bn"]
        else:
            modules |= {f"{theirs}conv": [f"{ours}_conv"], f"{theirs}bn": [f"{ours}_bn"]}
    return modules


def assign(variables: list[tf.Variable], values: Mapping[str, np.ndarray], ours: Callable[[str], list[str]]) -> None:
    """Gives every variable of a peer its value, and every value of ours a variable.

    A fused qkv is ours side by side; depthwise and dense kernels differ from ours by axes of length 1 alone.
    """
    used = []
    for variable in variables:
        names = ours(weights.name_of(variable))
        value = np.concatenate([values[name] for name in names], axis=-1)
        if [n for n in value.shape if n > 1] != [n for n in variable.shape if n > 1]:
            raise UserError(f"{variable.name} has the shape {tuple(variable.shape)}, {names} give {value.shape}")
        variable.assign(value.reshape(variable.shape))
        used += names
    if sorted(used) != sorted(values):
        raise UserError(f"the peer takes {len(used)} of {len(values)} weights: expected each once")


def logits_difference(model: ModelFile, peer: Logits, shape: tuple[int, ...], images: np.ndarray) -> float:
    """Largest absolute difference of a logit between our float model and the peer's.

    Raises:
      UserError: where they are not the same model.
    """
    own = mobilevit.build(model.config, *model.spec.size)
    weights.assign(own, model.weights)
    difference = float(np.abs(own(images, training=False) - peer(_layout(images, shape))).max())
    if not difference <= LARGEST_DIFFERENCE:  # NaN too
        raise UserError(
            f"the peer's logits differ from ours by {difference:.2e}, expected {LARGEST_DIFFERENCE} at most"
        )
    return difference


def _layout(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return images.transpose(0, 3, 1, 2) if shape[1] == 3 else images  # [n, H, W, 3] -> [n, 3, H, W]


def convert(peer: Logits, shape: tuple[int, ...], calibration: np.ndarray | None) -> bytes:
    """The .tflite of the softmax: float32, or with calibration images by the usual full-integer recipe."""
    function = tf.function(lambda image: tf.nn.softmax(peer(image)), [tf.TensorSpec(shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in _layout(calibration, shape))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


PEERS = {"hf": hf, "kecam": kecam}


def main(name: str, run: str, photos: str, folder: str) -> None:
    """Builds, checks and writes one peer."""
    model, images = model_file.load(run), np.load(photos)
    peer, shape = PEERS[name](model)
    difference = logits_difference(model, peer, shape, images["probe"])
    for kind, calibration in (("float32", None), ("int8", images["calibration"])):
        (Path(folder) / f"{name}_{kind}.tflite").write_bytes(convert(peer, shape, calibration))
    print(json.dumps({"logits_difference": difference}))


if __name__ == "__main__":
    run_cli(lambda: main(*sys.argv[1:]))
