"""From trained weights to the weights of the folded graph that is quantised and exported; exact, no TensorFlow.

Four identities of the trained network, applied by weight name:
1. BatchNorm is a scale and a shift a channel: both go into the convolution before it.
2. LayerNorm's gamma and beta are a scale and a shift a channel: both go into the 1x1 convolutions that read it.
3. LayerNorm does not see a constant added to all channels of a token. Everything that writes to the residual stream
   (the projection, attention's and the feed-forward network's last 1x1 convolution) is made to write tokens of mean
   zero, after which LayerNorm is `folded_layers.RootMeanSquareNorm`: one pass less over the tokens, and no
   subtraction whose operands were both rounded to 8 bits.
4. Softmax's factor 1 / sqrt(d / heads) is a scale of the queries.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mobilevit_tf.errors import UserError
from mobilevit_tf.image.image_spec import ImageSpec

BATCH_NORM_EPSILON = 1e-5
_NORM_READERS = {
    "norm1": ("attention_query", "attention_key", "attention_value"),
    "norm2": ("ffn1",),
    "norm": ("output_conv",),
}
_RESIDUAL_WRITERS = ("_vit_projection_conv", "_attention_output", "_ffn2")


def fold(weights: Mapping[str, np.ndarray], num_heads: int) -> dict[str, np.ndarray]:
    """The weights of `mobilevit.build(..., folded=True)` from those of the trained model.

    Args:
      weights: float32 arrays by name, as `weights.to_dict` gives them and a model file holds them.
      num_heads: attention heads of the variant.

    Raises:
      UserError: where a BatchNorm has no convolution before it: the weights belong to another architecture.
    """
    folded = {name: np.asarray(value, np.float64) for name, value in weights.items()}
    for name in [name for name in weights if name.endswith("_bn/gamma")]:
        _fold_batch_norm(folded, name.removesuffix("_bn/gamma"))
    for name in [name for name in weights if name.endswith("/gamma") and name in folded]:
        _fold_layer_norm(folded, name.removesuffix("/gamma"))
    for layer in {name.split("/")[0] for name in folded}:
        if layer.endswith(_RESIDUAL_WRITERS):
            _center(folded, layer)
        if layer.endswith("_attention_query"):
            for part in ("kernel", "bias"):
                folded[f"{layer}/{part}"] = folded[f"{layer}/{part}"] / np.sqrt(
                    weights[f"{layer}/bias"].size // num_heads
                )
    folded["classifier/kernel"] = folded["classifier/kernel"][np.newaxis, np.newaxis]  # dense as 1x1 convolution
    return {name: value.astype(np.float32) for name, value in folded.items()}


def fold_normalization(folded: dict[str, np.ndarray], spec: ImageSpec) -> tuple[float, float, float]:
    """Makes the stem take RGB in [0, 1] instead of what `spec.normalize` gives; in place.

    value = pixel * scale + offset a channel: the scale and the channels' order go into the kernel, the offset into the
    bias. The zeros around the image stand for the pixel whose value is 0.

    Returns:
      That pixel, RGB in [0, 1]: what `EdgeZeros` must fill in before the stem.
    """
    low, high = spec.range
    scale = (high - low) / np.asarray(spec.std)
    offset = (low - np.asarray(spec.mean)) / np.asarray(spec.std)
    fill = -offset / scale
    kernel = folded["stem_conv/kernel"]  # [3, 3, 3, out]
    folded["stem_conv/bias"] = (folded["stem_conv/bias"] + np.einsum("hwio,i->o", kernel, offset)).astype(np.float32)
    kernel = (kernel * scale[:, np.newaxis]).astype(np.float32)
    if spec.color_order == "BGR":
        kernel, fill = kernel[:, :, ::-1], fill[::-1]
    folded["stem_conv/kernel"] = np.ascontiguousarray(kernel)
    return tuple(float(value) + 0.0 for value in fill)


def _fold_batch_norm(folded: dict[str, np.ndarray], name: str) -> None:
    """y = gamma * (conv(x) - mean) / sqrt(variance + eps) + beta, as one convolution with a bias."""
    gamma, beta, mean, variance = (
        folded.pop(f"{name}_bn/{part}") for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    if f"{name}_conv/kernel" in folded:
        folded[f"{name}_conv/kernel"] *= scale  # [h, w, in, out]
    elif f"{name}_conv/depthwise_kernel" in folded:
        folded[f"{name}_conv/depthwise_kernel"] *= scale[:, np.newaxis]  # [h, w, channels, 1]
    else:
        raise UserError(
            f"weight {name}_bn/gamma: no convolution {name}_conv before it: not a MobileViT of this project"
        )
    folded[f"{name}_conv/bias"] = beta - mean * scale


def _fold_layer_norm(folded: dict[str, np.ndarray], name: str) -> None:
    """Readers of gamma * n + beta become readers of n."""
    gamma, beta = folded.pop(f"{name}/gamma"), folded.pop(f"{name}/beta")
    block, _, kind = name.rpartition("_")
    for reader in _NORM_READERS[kind]:
        kernel = folded[f"{block}_{reader}/kernel"]  # [1, 1, in, out]
        folded[f"{block}_{reader}/bias"] = folded[f"{block}_{reader}/bias"] + beta @ kernel[0, 0]
        folded[f"{block}_{reader}/kernel"] = kernel * gamma[:, np.newaxis]


def _center(folded: dict[str, np.ndarray], layer: str) -> None:
    """Takes the mean over the output channels out of a 1x1 convolution."""
    for part in ("kernel", "bias"):
        if f"{layer}/{part}" in folded:
            value = folded[f"{layer}/{part}"]
            folded[f"{layer}/{part}"] = value - value.mean(-1, keepdims=True)
