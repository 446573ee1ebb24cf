"""Logits of published layouts against the reference implementations, at every size, through whole files."""

import functools
import re

import numpy as np
import pytest
from safetensors.numpy import save
from support.published import reference, reference_input, torch_zip

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import mobilevit
from mobilevit_tf.models import weights
from mobilevit_tf.pretrained import convert, weight_files
from mobilevit_tf.pretrained.names_mobilevit import NAMINGS, weight_map

SIZES = [(256, 256), (192, 192), (224, 224), (256, 320), (160, 288)]  # 224 and 160 x 288 resize inside the blocks


@functools.cache
def any_size_model(variant):
    return mobilevit.build(ModelConfig(variant))


def converted(tmp_path, content: bytes, variant: str):
    path = tmp_path / "weights"
    path.write_bytes(content)
    return convert.convert(weight_files.read(path), variant, path.name)


def logits(model, height, width):
    network = any_size_model(model.config.variant)
    weights.assign(network, model.weights)
    return network(reference_input(height, width), training=False).numpy()


@pytest.mark.parametrize("publisher", ["timm", "huggingface"])
@pytest.mark.parametrize("variant", ["xxs", "xs", "s"])
def test_logits_equal_the_reference_at_five_sizes(tmp_path, publisher, variant):
    state, expected = reference(publisher, variant)
    model = converted(tmp_path, save(state), variant)
    assert sorted(expected) == sorted(SIZES)
    for size in SIZES:
        np.testing.assert_allclose(logits(model, *size), expected[size], rtol=0, atol=1e-4, err_msg=str(size))


def test_a_graph_of_fixed_size_gives_the_same_logits(tmp_path):
    state, expected = reference("timm", "xxs")
    network = mobilevit.build(ModelConfig("xxs"), 224, 224)
    weights.assign(network, converted(tmp_path, save(state), "xxs").weights)
    answer = network(reference_input(224, 224), training=False)
    np.testing.assert_allclose(answer, expected[224, 224], rtol=0, atol=1e-4)


def apple_name(timm: str) -> str:
    """A weight of timm's by the name that it has in Apple's file."""
    for pattern, other in (
        (r"^stem\.", "conv_1.block."), (r"^final_conv\.", "conv_1x1_exp.block."), (r"^head\.fc", "classifier.fc"),
        (r"\.conv1_1x1\.", ".block.exp_1x1.block."), (r"\.conv2_kxk\.", ".block.conv_3x3.block."),
        (r"\.conv3_1x1\.", ".block.red_1x1.block."), (r"\.conv_kxk\.", ".local_rep.conv_3x3.block."),
        (r"\.conv_1x1\.weight", ".local_rep.conv_1x1.block.conv.weight"), (r"\.conv_proj\.", ".conv_proj.block."),
        (r"\.conv_fusion\.", ".fusion.block."), (r"\.bn\.", ".norm."),
        (r"\.transformer\.", ".global_rep."), (r"\.norm1\.", ".pre_norm_mha.0."),
        (r"\.attn\.qkv\.", ".pre_norm_mha.1.qkv_proj."), (r"\.attn\.proj\.", ".pre_norm_mha.1.out_proj."),
        (r"\.norm2\.", ".pre_norm_ffn.0."), (r"\.mlp\.fc1\.", ".pre_norm_ffn.1."),
        (r"\.mlp\.fc2\.", ".pre_norm_ffn.4."),
        (r"^stages\.2\.1\.norm\.", "stages.2.1.global_rep.2."), (r"^stages\.3\.1\.norm\.", "stages.3.1.global_rep.4."),
        (r"^stages\.4\.1\.norm\.", "stages.4.1.global_rep.3."),
    ):  # fmt: skip
        timm = re.sub(pattern, other, timm)
    return re.sub(r"^stages\.(\d)", lambda match: f"layer_{int(match[1]) + 1}", timm)


def test_an_apple_file_gives_the_logits_of_the_same_values_in_timm(tmp_path):
    state, expected = reference("timm", "xxs")
    apple = {apple_name(name): array for name, array in state.items()}
    assert {"layer_3.1.local_rep.conv_3x3.block.norm.running_var", "layer_3.1.global_rep.2.weight",
            "layer_4.1.global_rep.3.pre_norm_mha.1.qkv_proj.weight", "layer_2.2.block.red_1x1.block.conv.weight",
            "layer_5.1.fusion.block.conv.weight", "layer_5.1.conv_proj.block.norm.bias"} <= set(apple)  # fmt: skip
    apple["conv_1.block.norm.num_batches_tracked"] = np.array([7], np.int64)
    model = converted(tmp_path, torch_zip(apple), "xxs")
    assert (model.spec.color_order, model.spec.resize, model.run_id) == ("BGR", "bilinear", "apple-xxs")
    np.testing.assert_allclose(logits(model, 256, 256), expected[256, 256], rtol=0, atol=1e-4)


@pytest.mark.parametrize("publisher", list(NAMINGS))
@pytest.mark.parametrize("variant", ["xxs", "xs", "s"])
def test_every_published_weight_is_used_exactly_once(publisher, variant):
    uses = list(weight_map(NAMINGS[publisher], variant).values())
    assert len(set(uses)) == len(uses) == 315
    fused = {source.name for source in uses if source.rows}
    assert not fused & {source.name for source in uses if not source.rows}
    for name in fused:  # thirds that follow each other
        thirds = sorted((source.rows.first, source.rows.last) for source in uses if source.name == name)
        dim = thirds[0][1]
        assert thirds == [(0, dim), (dim, 2 * dim), (2 * dim, 3 * dim)]
    assert len(fused) == (0 if publisher == "huggingface" else 18)  # weight and bias of 9 transformer layers
