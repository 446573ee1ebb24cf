"""model.safetensors: what is written is read back; what is damaged, foreign or newer is refused in one sentence."""

import contextlib
import errno
import os

import numpy as np
import pytest
import safetensors.numpy

from mobilevit_tf import errors, files
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import model_file

WEIGHTS = {
    "stem_conv/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "classifier/bias": np.array([0.1, -0.0, np.float32(1e-40)], np.float32),
}
MODEL = model_file.ModelFile(
    ModelConfig("tiny", num_classes=3, patch_sizes=(4, 4, 4), dropout=0.2),
    ImageSpec(64, 96, "bicubic", 0.875, "BGR", (0.0, 255.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    ("Löwenzahn", "rose <b>", "日々草"),
    WEIGHTS,
    "20260101-120000",
)


def _nothing_but(folder, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


@contextlib.contextmanager
def _ordinary_user():
    """Root writes everywhere: for the time of the block it is nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_model_is_read_back_as_it_was_written(tmp_path):
    path = model_file.save(tmp_path / "run", MODEL)
    assert path == tmp_path / "run" / "model.safetensors"
    for place in (tmp_path / "run", path):
        again = model_file.load(place)
        assert (again.config, again.spec, again.labels, again.run_id) == (
            MODEL.config, MODEL.spec, MODEL.labels, MODEL.run_id,
        )  # fmt: skip
        assert model_file.weights_sha256(again.weights) == model_file.weights_sha256(WEIGHTS)
    assert _nothing_but(tmp_path / "run", "model.safetensors")


def test_hash_of_the_weights_sees_every_bit_name_and_shape():
    reference = model_file.weights_sha256(WEIGHTS)
    bias, kernel = WEIGHTS["classifier/bias"], WEIGHTS["stem_conv/kernel"]
    assert len(reference) == 64
    for change in (
        {"classifier/bias": np.nextafter(bias, np.float32(1))},
        {"classifier/bias": np.abs(bias)},  # -0.0 -> 0.0 and -x -> x
        {"stem_conv/kernel": kernel.reshape(4, 3, 2)},
        {"extra": bias},
    ):
        assert model_file.weights_sha256(WEIGHTS | change) != reference
    assert model_file.weights_sha256(dict(reversed(WEIGHTS.items()))) == reference
    assert model_file.weights_sha256(WEIGHTS | {"stem_conv/kernel": np.asfortranarray(kernel)}) == reference


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_file_is_refused(tmp_path, kept):
    path = model_file.save(tmp_path, MODEL)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"model\.safetensors is truncated or not a safetensors file"):
        model_file.load(tmp_path)


def test_file_of_another_tool_is_refused_with_the_command_that_converts_it(tmp_path):
    path = tmp_path / "timm.safetensors"
    safetensors.numpy.save_file(WEIGHTS, path, {"format": "pt"})
    with pytest.raises(UserError, match=r"is not a model of this project: .*python -m mobilevit_tf\.pretrained"):
        model_file.load(path)


def test_newer_schema_is_refused_and_says_to_update(tmp_path):
    path = model_file.save(tmp_path, MODEL)
    with safetensors.safe_open(path, "np") as file:
        header = file.metadata()
    safetensors.numpy.save_file(WEIGHTS, path, header | {"schema_version": "2"})
    with pytest.raises(
        UserError, match="has a schema version that this reader does not know, which is 1: update the project"
    ):
        model_file.load(path)


def test_missing_model_names_the_file_and_what_makes_it(tmp_path):
    with pytest.raises(
        UserError, match=r"no model at .*model\.safetensors: expected a run directory of train_main\.py"
    ):
        model_file.load(tmp_path)


def test_labels_that_do_not_fit_the_logits_are_refused():
    with pytest.raises(UserError, match="2 labels for a model of 3 classes"):
        model_file.ModelFile(MODEL.config, MODEL.spec, ("a", "b"), WEIGHTS)


def test_full_disk_leaves_the_older_model_and_no_temporary_file(tmp_path, monkeypatch):
    model_file.save(tmp_path, MODEL)
    before = (tmp_path / "model.safetensors").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    other = model_file.ModelFile(MODEL.config, MODEL.spec, MODEL.labels, {"x": np.ones(9, np.float32)})
    with pytest.raises(OSError, match="No space") as caught:
        model_file.save(tmp_path, other)
    sentence = errors.describe_os_error(caught.value)
    assert sentence.startswith(f"the disk is full while writing {tmp_path / 'model.safetensors'}: free some space")
    assert _nothing_but(tmp_path, "model.safetensors")
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_folder_without_write_permission_is_named_and_stays_as_it_was(tmp_path):
    folder = tmp_path / "locked"
    model_file.save(folder, MODEL)
    folder.chmod(0o555)
    with _ordinary_user(), pytest.raises(PermissionError) as caught:
        model_file.save(folder, MODEL)
    folder.chmod(0o755)
    assert "no permission for " in errors.describe_os_error(caught.value)
    assert ".tmp" not in errors.describe_os_error(caught.value)
    assert _nothing_but(folder, "model.safetensors")
