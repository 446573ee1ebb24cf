"""Fake quantisation and fine-tuning."""

from __future__ import annotations

import itertools

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
from support.folded_models import cheapened, rescaled

from mobilevit_tf.image.image_spec import ImageSpec
from quantize import exporter, graph
from quantize.recipe import recipe_of
from quantize.settings import FineTuneConfig
from quantize.steps import convert, finetune, qat, settle
from quantize.tuning import ranges

SPEC, RECIPE = ImageSpec(64, 64), recipe_of("tiny")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def tiny(images):
    """(graph before quantisation, its ranges)."""
    found = cheapened("tiny")
    return found, calibrated(found, images)


def calibrated(found, images) -> dict[str, tuple[float, float]]:
    outputs, maxima = exporter.observed(RECIPE, found)
    return ranges.ranges(found, outputs, maxima, images, SPEC)


def test_weights_are_rounded_in_one_range_a_channel(tiny):
    quantized = qat.apply(tiny[0], RECIPE, tiny[1], frozen=True)
    for name, axis in (("layer1_mv2_depthwise_conv", 2), ("layer3_vit_local_conv", 3), ("classifier", 3)):
        wrapper = quantized.get_layer(f"quant_{name}")
        ((weight, quantizer, variables),) = wrapper._weight_vars
        largest = np.abs(weight.numpy()).max(tuple(i for i in range(4) if i != axis))
        np.testing.assert_allclose(variables["max_var"].numpy(), largest, rtol=1e-6)
        rounded = np.moveaxis(quantizer(weight, False, variables).numpy(), axis, -1)
        steps = rounded / (largest / 127)
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
        assert np.abs(rounded - np.moveaxis(weight.numpy(), axis, -1)).max(axis=(0, 1, 2)).max() <= largest.max() / 250


@pytest.fixture(scope="module", params=[True, False], ids=["frozen", "moving"])
def tuned(request, tiny, images):
    """(fine-tuned model, are its ranges frozen, classifier's kernel before, ranges before)."""
    found, ranges = tiny
    quantized = qat.apply(found, RECIPE, ranges, frozen=request.param)
    before, limits = quantized.get_layer("quant_classifier").trainable_weights[0].numpy(), qat.output_ranges(quantized)
    config = FineTuneConfig(epochs=2, learning_rate=1e-2, frozen_ranges=request.param)
    finetune.finetune(quantized, graph.build(found), images, SPEC, config)
    return quantized, request.param, before, limits


def test_fine_tuning_moves_weights_and_only_ranges_that_are_not_frozen(tiny, tuned):
    quantized, frozen, before, limits = tuned
    for name in ("attention_query", "attention_key", "attention_value"):  # through the table and the norms
        kernel = quantized.get_layer(f"quant_layer3_vit_transformer0_{name}").trainable_weights[0].numpy()
        start = tiny[0].nodes[f"layer3_vit_transformer0_{name}"].weights["kernel"]
        assert np.abs(kernel - start).max() > 1e-4
    assert limits["stem_conv"] == pytest.approx(tiny[1]["stem_conv"])
    assert np.abs(quantized.get_layer("quant_classifier").trainable_weights[0].numpy() - before).max() > 1e-4
    assert (qat.output_ranges(quantized) == limits) == frozen


def test_no_8_bit_value_is_rescaled_so_that_runtimes_cannot_round_it_differently(tiny, tuned):
    (quantized, frozen, *_), (_, ranges) = tuned, tiny
    limits = qat.output_ranges(quantized)
    feeders = [limits[f"layer3_{name}"] for name in ("mv2_project_conv", "vit_output_swish")]
    assert feeders == [limits["layer3_vit_concat"]] * 2
    if frozen:
        assert feeders[0] == pytest.approx(ranges["layer3_vit_concat"])
    fixed = qat.apply(tiny[0], RECIPE, ranges, frozen=frozen, batch_size=1)
    fixed.set_weights(quantized.get_weights())
    assert rescaled(convert.to_int8(fixed)) == []


def test_norms_and_attention_read_steps_that_are_powers_of_two_and_biases_lie_on_the_grid_of_the_file(tuned):
    quantized, *_ = tuned
    limits = qat.output_ranges(quantized)
    block = "layer3_vit_transformer0"
    exact = [
        "layer3_vit_projection_conv",
        *(f"{block}_{name}" for name in ("add1", "attention_query", "attention_key", "attention_value")),
    ]
    for low, high in (limits[name] for name in exact):
        step = (high - low) / 255
        assert np.log2(step) == np.round(np.log2(step)) and low / step == np.round(low / step)
    assert np.log2((limits["stem_conv"][1] - limits["stem_conv"][0]) / 255) % 1 != 0
    for name, low, high in (
        ("stem_conv", 0, 1),
        (f"{block}_ffn1", *limits[f"{block}_norm2"]),
        (f"{block}_attention_output", *limits[f"{block}_attention_mix"]),
    ):
        wrapper = quantized.get_layer(f"quant_{name}")
        ((kernel, *_),) = wrapper._weight_vars
        steps = wrapper.layer.bias.numpy() / (np.abs(kernel.numpy()).max((0, 1, 2)) / 127 * (high - low) / 255)
        np.testing.assert_allclose(steps, np.round(steps), atol=0.02)
        assert np.abs(steps).max() > 10


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((-1.0, 1.0), (-64 / 64, 191 / 64)), ((0.0, 255.0), (0.0, 255.0)), ((-3.0, 0.0), (-3.0, 63 / 64))],
)
def test_exact_steps_widen_a_range_to_the_next_power_of_two(limits, expected):
    assert settle.exact_steps(*limits) == expected


def test_settling_twice_changes_nothing_and_no_operand_of_a_sum_is_finer_than_the_delegate_takes(tuned):
    quantized, *_ = tuned
    names = ("projection_conv", "transformer0_add1", "transformer0_add2")  # each is an operand of the next
    stream = [quantized.get_layer(f"quant_layer3_vit_{name}") for name in names]
    for number, wrapper in enumerate(stream):
        settle.set_range(wrapper, -(1024.0**number), 1024.0**number)
    settle.settle(quantized)
    for operand, total in itertools.pairwise(map(settle.get_range, stream)):
        assert 256 <= (total[1] - total[0]) / (operand[1] - operand[0]) <= 512
    before = quantized.get_weights()
    settle.settle(quantized)
    for old, new in zip(before, quantized.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_scores_are_no_finer_than_the_8_bit_exponential_takes(tuned):
    quantized, *_ = tuned
    query, key = (quantized.get_layer(f"quant_layer3_vit_transformer0_attention_{name}") for name in ("query", "key"))
    settle.set_range(query, -0.125, 0.125)
    settle.set_range(key, -0.25, 0.25)
    settle.settle(quantized)
    steps = [(high - low) / 255 for low, high in map(settle.get_range, (query, key))]
    assert steps == [2**-8, 2**-8]  # by themselves 2^-9 and 2^-8


def test_the_pixel_that_pads_lies_on_a_pixels_steps_as_in_the_file(tiny):
    found, ranges = tiny
    pad = found.nodes["stem_pad"]
    filled = found.with_nodes(pad.made(pad.kind, **{**pad.config, "fill": (0.5, 0.25, 0.0)}))
    quantized = qat.apply(filled, RECIPE, ranges, frozen=True)
    assert quantized.get_layer("stem_pad").fill == (128 / 255, 64 / 255, 0.0)
