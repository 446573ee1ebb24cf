"""Weight files of every kind, and every way in which they go wrong: the right numbers, or one sentence."""

import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import save
from support.published import TorchPickle, bfloat16, tiny, torch_legacy, torch_zip

from mobilevit_tf.errors import UserError
from mobilevit_tf.pretrained import torch_pickle, weight_files
from mobilevit_tf.pretrained.convert import convert as convert_weights


@pytest.fixture(scope="module")
def state():
    return tiny()


@pytest.fixture
def read(tmp_path):
    def read(content: bytes, name: str = "weights.bin"):
        (tmp_path / name).write_bytes(content)
        return weight_files.read(tmp_path / name)

    return read


def refused(read, content: bytes, name: str = "weights.bin") -> str:
    with pytest.raises(UserError) as error:
        read(content, name)
    message = str(error.value)
    assert "\n" not in message and name in message
    return message


def assert_same(published, state, atol=0.0):
    assert set(published.weights) == set(state)
    for name, array in state.items():
        assert published.weights[name].dtype == np.float32
        np.testing.assert_allclose(published.weights[name], array, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("write", [save, torch_zip, torch_legacy])
def test_each_kind_of_file_gives_the_same_numbers_whatever_its_name(read, state, write):
    published = read(write(state), "model.dat")
    assert (published.publisher, published.origin) == ("timm", "")
    assert_same(published, state)


@pytest.mark.parametrize("write", [save, torch_zip, torch_legacy])
def test_a_float16_file_is_read_as_float32(read, state, write):
    assert_same(read(write({name: array.astype(np.float16) for name, array in state.items()})), state, atol=4e-3)


def test_a_bfloat16_file_is_read_as_float32(read, state):
    published = read(torch_zip({name: bfloat16(array) for name, array in state.items()}))
    assert_same(published, state, atol=2e-2)


def test_batch_norm_counters_are_ignored(read, state):
    counters = {"stem.bn.num_batches_tracked": np.array([3], np.int64)}
    assert_same(read(torch_zip(state | counters)), state)


@pytest.mark.parametrize("prefix", ["model.", "module.", "module.model."])
def test_a_prefix_is_removed_and_named(read, state, prefix):
    published = read(save({prefix + name: array for name, array in state.items()}))
    assert_same(published, state)
    assert published.origin == f"prefix {prefix}"


@pytest.mark.parametrize("container", ["state_dict_ema", "ema_state_dict", "model_ema"])
def test_ema_weights_win_over_raw_ones(read, state, container):
    raw = {name: np.zeros_like(array) for name, array in state.items()}
    checkpoint = {"epoch": 3, "arch": "mobilevit_xxs", "state_dict": raw, container: state, "optimizer": {"lr": 0.1}}
    published = read(torch_zip(checkpoint))
    assert_same(published, state)
    assert published.origin == container


def test_ema_weights_beside_raw_ones_under_a_prefix_win(read, state):
    copies = {f"module.{name}": np.zeros_like(array) for name, array in state.items()}
    published = read(save(copies | {f"module.ema.{name}": array for name, array in state.items()}))
    assert_same(published, state)
    assert published.origin == "prefix module.ema."


def test_two_models_of_which_none_is_an_average_are_refused(read, state):
    both = {f"{prefix}.{name}": array for prefix in ("student", "teacher") for name, array in state.items()}
    assert "holds 2 models (student., teacher.)" in refused(read, save(both))


def test_a_tensor_with_strides_and_offset_is_read_as_a_view(read):
    pickler, block = TorchPickle(), np.arange(10, dtype=np.float32)
    entry = pickler.tensor(block, shape=(2, 3), strides=(1, 2), offset=3)
    loaded = torch_pickle.load(torch_zip(entry, pickler), "view")
    np.testing.assert_array_equal(loaded, [[3, 5, 7], [4, 6, 8]])


@pytest.mark.parametrize(
    "layout",
    [
        {"shape": (11,), "strides": (1,)}, {"shape": (2,), "strides": (9,), "offset": 1},
        {"shape": (3,), "strides": (-1,), "offset": 2}, {"shape": (1 << 40,), "strides": (0,)},
        {"shape": (2, 2), "strides": (1,)}, {"shape": (2,), "strides": (1,), "offset": -1},
    ],
)  # fmt: skip
def test_a_tensor_that_reaches_outside_its_storage_is_refused(layout):
    pickler = TorchPickle()
    entry = pickler.tensor(np.arange(10, dtype=np.float32), **layout)
    with pytest.raises(UserError, match="truncated or not a PyTorch file"):
        torch_pickle.load(torch_zip(entry, pickler), "outside")


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("write", [torch_zip, torch_legacy])
def test_a_pickle_that_calls_the_system_is_refused_and_calls_nothing(read, state, tmp_path, write):
    marker = tmp_path / "owned"
    call = pickle.dumps(Malicious(marker), 2)[2:-1]
    message = refused(read, write(state | {"stem.bn.bias": call}))
    assert "system', which is neither a tensor nor a plain container" in message
    assert not marker.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cbuiltins\neval\n(U\x011tR", b"cargparse\nNamespace\n)R", b"cnumpy.core.multiarray\nscalar\n)R",
        b"ctorch\nload\n)R", b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n",
        b"ccollections\nOrderedDict.fromkeys\n)R", b"\x8c\x02os\x8c\x06system\x93",
    ],
)  # fmt: skip
def test_any_other_name_in_the_pickle_is_refused(read, state, opcodes):
    assert "neither a tensor nor a plain container" in refused(read, torch_zip({"args": opcodes, **state}))


@pytest.mark.parametrize("write", [save, torch_zip, torch_legacy])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(read, state, write, share):
    content = write(state)
    assert "truncated" in refused(read, content[: int(len(content) * share)])


def test_a_storage_shorter_than_stated_is_refused(read, state):
    pickler = TorchPickle()
    entry = pickler.emit(state)
    pickler.storages[0] = pickler.storages[0][:-4]
    assert "truncated" in refused(read, torch_zip(entry, pickler))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\n<!DOCTYPE html><html><title>Sign in</title>", "is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "is a Git LFS pointer"),
        (b"", "truncated or of an unknown kind"),
        (b"\x80\x02K\x01.", "not a PyTorch file"),
        (b"PK\x03\x04 and so on", "not a PyTorch file"),
        (torch_zip(5), "holds no weights by name"),
        (save({"fc.weight": np.zeros((2, 2), np.float32)}), "holds no MobileViT of timm, Hugging Face or Apple"),
    ],
)
def test_what_is_no_weight_file_gets_one_sentence(read, content, part):
    assert part in refused(read, content, "model.safetensors")


def test_a_missing_file_points_to_the_page_that_says_where_to_download(tmp_path):
    with pytest.raises(UserError, match=r"no file at .*: docs/pretrained.md says where"):
        weight_files.read(tmp_path / "none.bin")


def test_random_damage_gives_numbers_or_one_sentence_but_never_another_error(state):
    random = np.random.default_rng(0)
    for content in (torch_zip(state), torch_legacy(state), save(state)):
        head = min(len(content), 6000)  # where the structure is
        for _ in range(60):
            damaged = bytearray(content)
            for position in random.integers(0, head, 3):
                damaged[position] = random.integers(256)
            try:
                weight_files._parse(bytes(damaged), "damaged")
            except UserError as error:
                assert "\n" not in str(error)


def convert(weights, variant="tiny"):
    return convert_weights(weight_files.PublishedWeights("timm", weights, ""), variant, "w.bin")


def test_another_variant_than_asked_for_is_named(state):
    with pytest.raises(UserError, match=r"^w.bin holds MobileViT-TINY, not MobileViT-XS: pass --variant=tiny$"):
        convert(state, "xs")


def test_a_model_of_unknown_width_is_refused(state):
    wide = state | {"final_conv.conv.weight": np.zeros((512, 8, 1, 1), np.float32)}
    with pytest.raises(UserError, match="its last convolution has 512 channels, expected 320, 384 or 640"):
        convert(wide, None)


def test_missing_and_left_over_weights_are_listed(state):
    odd = {name: array for name, array in state.items() if name != "stages.2.1.norm.bias"}
    with pytest.raises(UserError) as error:
        convert(odd | {"stages.2.1.se.weight": np.zeros(3, np.float32)})
    assert str(error.value) == (
        "w.bin does not hold exactly the weights of timm's MobileViT-TINY: 1 missing (stages.2.1.norm.bias) and "
        "1 left over (stages.2.1.se.weight)"
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [("stages.2.1.transformer.0.attn.qkv.weight", (8, 8)), ("stem.bn.bias", (5,)), ("head.fc.bias", (4,))],
)
def test_a_weight_of_another_shape_is_refused_by_its_published_name(state, name, shape):
    with pytest.raises(UserError, match=rf"w.bin: {name} has shape \({shape[0]},.*, timm's MobileViT-TINY has \("):
        convert(state | {name: np.zeros(shape, np.float32)})


def test_nan_in_a_weight_is_refused(state):
    with pytest.raises(UserError, match=r"stem.bn.bias holds NaN or infinity"):
        convert(state | {"stem.bn.bias": np.array([0, np.nan, 0, 0], np.float32)})
