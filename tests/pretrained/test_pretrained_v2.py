"""Published MobileViTv2 files: the logits of two other implementations, three publishers, every width, two inputs."""

import functools
import re

import numpy as np
import pytest
from safetensors.numpy import save
from support.published import reference, reference_input, tiny, torch_zip

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import mobilevit_v2
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.pretrained import convert, weight_files
from mobilevit_tf.pretrained.__main__ import main
from mobilevit_tf.pretrained.names_mobilevit_v2 import FAMILY, NAMINGS, weight_map

SIZES = [(256, 256), (192, 192), (224, 224), (256, 320), (160, 288)]  # 224 and 160 x 288 are enlarged inside the blocks


@functools.cache
def any_size_model(variant):
    return mobilevit_v2.build(ModelConfig(variant))


def converted(tmp_path, content: bytes, variant: str | None = None, side: int | None = None):
    path = tmp_path / "weights"
    path.write_bytes(content)
    return convert.convert(weight_files.read(path), variant, path.name, side)


def error(network, model, size, expected):
    """Largest difference from the reference's logits, in their standard deviations."""
    weights.assign(network, model.weights)
    return np.abs(network(reference_input(*size), training=False).numpy() - expected).max() / expected.std()


@pytest.mark.parametrize("publisher", ["timm", "huggingface"])
@pytest.mark.parametrize("variant", ["v2_050", "v2_075", "v2_100"])
def test_logits_equal_the_reference_at_every_size(tmp_path, publisher, variant):
    state, expected = reference(publisher, variant)
    model = converted(tmp_path, save(state))
    assert model.config.variant == variant
    if publisher == "timm":
        assert sorted(expected) == sorted(SIZES)
    for size, logits in expected.items():
        assert error(any_size_model(variant), model, size, logits) < 1e-5, size


def test_a_graph_of_fixed_size_gives_the_same_logits(tmp_path):
    state, expected = reference("timm", "v2_050")
    model = converted(tmp_path, save(state))
    for size in ((224, 224), (256, 256)):
        assert error(mobilevit_v2.build(model.config, *size), model, size, expected[size]) < 1e-5


def apple_name(timm: str) -> str:
    """A weight of timm's by the name that it has in Apple's file."""
    for pattern, other in (
        (r"^stem\.", "conv_1.block."), (r"^head\.fc", "classifier.1"),
        (r"\.conv1_1x1\.", ".block.exp_1x1.block."), (r"\.conv2_kxk\.", ".block.conv_3x3.block."),
        (r"\.conv3_1x1\.", ".block.red_1x1.block."), (r"\.conv_kxk\.", ".local_rep.0.block."),
        (r"\.conv_1x1\.weight", ".local_rep.1.block.conv.weight"), (r"\.conv_proj\.", ".conv_proj.block."),
        (r"\.bn\.", ".norm."), (r"\.transformer\.", ".global_rep."), (r"\.norm1\.", ".pre_norm_attn.0."),
        (r"\.attn\.(\w+)\.", r".pre_norm_attn.1.\1.block.conv."), (r"\.norm2\.", ".pre_norm_ffn.0."),
        (r"\.mlp\.fc1\.", ".pre_norm_ffn.1.block.conv."), (r"\.mlp\.fc2\.", ".pre_norm_ffn.3.block.conv."),
        (r"^stages\.2\.1\.norm\.", "stages.2.1.global_rep.2."), (r"^stages\.3\.1\.norm\.", "stages.3.1.global_rep.4."),
        (r"^stages\.4\.1\.norm\.", "stages.4.1.global_rep.3."),
    ):  # fmt: skip
        timm = re.sub(pattern, other, timm)
    return re.sub(r"^stages\.(\d)", lambda match: f"layer_{int(match[1]) + 1}", timm)


def test_an_apple_file_gives_the_logits_of_the_same_values_in_timm(tmp_path):
    state, expected = reference("timm", "v2_050")
    apple = {apple_name(name): array for name, array in state.items()}
    assert {
        "layer_3.1.local_rep.0.block.norm.running_var", "layer_3.1.global_rep.2.weight", "classifier.1.bias",
        "layer_4.1.global_rep.3.pre_norm_attn.1.qkv_proj.block.conv.weight", "layer_5.1.conv_proj.block.norm.bias",
        "layer_5.1.global_rep.0.pre_norm_ffn.3.block.conv.bias", "layer_2.1.block.red_1x1.block.conv.weight",
    } <= set(apple)  # fmt: skip
    model = converted(tmp_path, torch_zip(apple))
    assert (model.config.variant, model.run_id) == ("v2_050", "apple-v2_050")
    assert error(any_size_model("v2_050"), model, (256, 256), expected[256, 256]) < 1e-5


@pytest.mark.parametrize("publisher", list(NAMINGS))
@pytest.mark.parametrize("variant", ["v2_050", "v2_125", "v2_200"])
def test_every_published_weight_is_used_exactly_once(publisher, variant):
    uses = list(weight_map(NAMINGS[publisher], variant).values())
    assert len(set(uses)) == len(uses) == 280
    fused = {source.name for source in uses if source.rows}
    assert len(fused) == 18  # weight and bias of 9 transformer layers
    assert not fused & {source.name for source in uses if not source.rows}
    for name in fused:  # query, key and value, one after the other
        rows = sorted((source.rows.first, source.rows.last) for source in uses if source.name == name)
        total = next(source.rows.total for source in uses if source.name == name)
        assert rows == [(0, 1), (1, 1 + total // 2), (1 + total // 2, total)]


@pytest.mark.parametrize(("publisher", "variant"), [("timm", "v2_050"), ("huggingface", "v2_125"), ("apple", "v2_150")])
def test_a_width_is_recognised_by_its_weights(publisher, variant):
    published = weight_files.PublishedWeights(publisher, tiny(publisher, 5, variant), "")
    model = convert.convert(published, None, "w.bin")
    assert (model.config.variant, model.config.num_classes) == (variant, 5)
    assert model.license == catalog.find(variant).weights_license != ""


def test_every_width_has_another_first_convolution():
    widths = {16: "v2_050", 24: "v2_075", 32: "v2_100", 40: "v2_125", 48: "v2_150", 56: "v2_175", 64: "v2_200"}
    assert FAMILY.variants == widths
    assert set(widths.values()) == set(catalog.of_family("mobilevit_v2")) <= set(convert.READABLE)


@pytest.mark.parametrize(
    ("publisher", "small", "large"),
    [
        ("timm", ImageSpec(256, 256, "bicubic", 0.888), ImageSpec(384, 384, "bicubic", 1.0)),
        ("huggingface", ImageSpec(256, 256, "bilinear", 8 / 9), ImageSpec(384, 384, "bilinear", 12 / 13)),
        ("apple", ImageSpec(256, 256, "bicubic", 8 / 9), ImageSpec(384, 384, "bicubic", 1.0)),
    ],
)
def test_each_publisher_brings_its_own_preprocessing_for_both_inputs(publisher, small, large):
    published = weight_files.PublishedWeights(publisher, tiny(publisher, 3, "v2_050"), "")
    for side, spec in ((None, small), (256, small), (384, large)):
        assert convert.convert(published, None, "w.bin", side).spec == spec
        assert spec.is_plain  # RGB in [0, 1]
    with pytest.raises(UserError, match="is published for inputs of 256 and 384 pixels, not 320: pass one of them"):
        convert.convert(published, None, "w.bin", 320)


def test_the_first_family_has_no_file_for_384_pixels():
    with pytest.raises(UserError, match="timm's MobileViT-TINY is published for inputs of 256 pixels, not 384"):
        convert.convert(weight_files.PublishedWeights("timm", tiny(), ""), None, "w.bin", 384)


def test_a_width_that_is_not_published_and_another_family_than_asked_for_are_named():
    state = tiny("timm", 5, "v2_050")
    odd = state | {"stem.conv.weight": np.zeros((20, 3, 3, 3), np.float32)}
    with pytest.raises(UserError, match="holds no MobileViTv2 of timm: its first convolution has 20 channels, expected "
                       "16, 24, 32, 40, 48, 56 or 64"):  # fmt: skip
        convert.convert(weight_files.PublishedWeights("timm", odd, ""), None, "w.bin")
    with pytest.raises(UserError, match=r"^w.bin holds MobileViTv2-0.5, not MobileViT-XXS: pass --variant=v2_050$"):
        convert.convert(weight_files.PublishedWeights("timm", state, ""), "xxs", "w.bin")


def test_the_command_reads_a_file_for_384_pixels(tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(save(tiny("huggingface", 4, "v2_050")))
    main([f"--source={tmp_path / 'model.safetensors'}", f"--output={tmp_path / 'run'}", "--input_size=384"])
    out = capsys.readouterr().out
    assert "Hugging Face's MobileViTv2-0.5 from model.safetensors" in out
    assert "input: 384 x 384, bilinear, crop 0.923, RGB in [0, 1]" in out
    assert model_file.load(tmp_path / "run").spec.size == (384, 384)
