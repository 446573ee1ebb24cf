"""The comparison with the peers: every weight finds its place, files are fed as their inputs say, tables add up."""

import sys

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support.commands import ROOT, run

sys.path.insert(0, str(ROOT / "benchmarks"))
import peer_weights
import recipe_accuracy

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import mobilevit
from mobilevit_tf.models import weights

COLOURS = np.random.default_rng(0).integers(0, 256, (16, 1, 1, 3), np.uint8)
IMAGES = np.broadcast_to(COLOURS, (16, 8, 8, 3))


def _brightest_channel(axes):
    """Logits [1, 3]: four times the mean of each colour in [0, 1]."""
    return lambda image: 4 * tf.reduce_mean(image, axes)


@pytest.mark.parametrize("variant", ["xxs", "s"])
def test_kecam_takes_each_of_our_modules_once(variant):
    ours = {weights.name_of(weight).split("/")[0] for weight in mobilevit.build(ModelConfig(variant, 5)).weights}
    taken = [module for modules in peer_weights.kecam_modules(variant).values() for module in modules]
    assert len(taken) == len(set(taken))
    assert set(taken) == ours


def test_hugging_face_names_lead_back_to_the_published_ones():
    name = "tf_model/mobilevit/encoder/layer.2/conv_kxk/normalization/moving_variance"
    assert peer_weights._torch_name(name) == "mobilevit.encoder.layer.2.conv_kxk.normalization.running_var"


def test_weights_are_joined_reshaped_and_none_is_left_over():
    ours = {f"{part}/kernel": np.full((1, 1, 2, 3), value, np.float32) for value, part in enumerate("qkv")}
    fused, depthwise = (
        tf.Variable(tf.zeros((2, 9)), name="qkv/kernel"),
        tf.Variable(tf.zeros((3, 3, 1, 4)), name="dw/k"),
    )
    ours["dw"] = np.arange(36, dtype=np.float32).reshape(3, 3, 4, 1)
    names = {"qkv/kernel": ["q/kernel", "k/kernel", "v/kernel"], "dw/k": ["dw"]}
    peer_weights.assign([fused, depthwise], ours, names.__getitem__)
    assert fused.numpy().tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2]] * 2
    assert depthwise.numpy()[0, 1, 0].tolist() == [4, 5, 6, 7]
    with pytest.raises(UserError, match="takes 3 of 4 weights"):
        peer_weights.assign([fused], ours, names.__getitem__)
    with pytest.raises(UserError, match=r"qkv/kernel.* has the shape \(2, 9\)"):
        peer_weights.assign([fused], ours, lambda name: ["q/kernel"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A float32 file that takes channels last, and an int8 file of the same model that takes channels first."""
    folder = tmp_path_factory.mktemp("files")
    images = IMAGES.astype(np.float32) / 255
    made = {
        "float32": peer_weights.convert(_brightest_channel((1, 2)), (1, 8, 8, 3), None),
        "int8": peer_weights.convert(_brightest_channel((2, 3)), (1, 3, 8, 8), images),
    }
    for name, data in made.items():
        (folder / f"{name}.tflite").write_bytes(data)
    return folder


def test_files_of_either_layout_and_type_are_fed_the_same_pixels(files):
    exact, rounded = (recipe_accuracy.Runner(files / f"{name}.tflite") for name in ("float32", "int8"))
    assert exact.size == rounded.size == (8, 8)
    assert (exact.channels_first, rounded.channels_first) == (False, True)
    for image, colour in zip(IMAGES, COLOURS[:, 0, 0], strict=True):
        powers = np.exp(4 * (colour / 255))
        np.testing.assert_allclose(exact.scores(image), powers / powers.sum(), atol=1e-5)
        np.testing.assert_allclose(rounded.scores(image) / 256, powers / powers.sum(), atol=0.03)
    assert len(exact.times) == len(IMAGES)


def test_table_shows_the_change_against_the_own_float32_file():
    row = {"file": "a.tflite", "owner": "ours", "recipe": "int8", "photos": 734, "top1": 0.812, "float_top1": 0.8065,
           "agreement": 0.9877, "median_ms": 0.9, "float_median_ms": 4.5, "partitions": 1,
           "size_bytes": 1_340_426}  # fmt: skip
    assert recipe_accuracy.table([row], {}).splitlines()[-1] == (
        "| ours | int8 | 81.20% | +0.55 | 98.77% | 0.90 | 0.20 | 1 | 1309 |"
    )
    assert recipe_accuracy.table([row], {"a.tflite": 26}).splitlines()[-1].endswith("| 1 | 1309 | 26 |")


def test_unknown_part_and_missing_environment_are_refused_before_any_work():
    for flag, words in (("--only=speed", "error: --only=speed, expected some of training, inference, accuracy"),
                        ("--peers_python=nowhere", "there is no nowhere: `make bench` makes")):  # fmt: skip
        answer = run("benchmarks/side_by_side.py", flag)
        assert answer.returncode == 1
        assert words in answer.stdout
