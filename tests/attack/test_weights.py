"""Hostile weight files run nothing, and are refused within seconds and without more memory than their own size."""

import functools

import pytest

from attack import forked
from attack.cases import weight as weight_cases
from mobilevit_tf.models import model_file
from mobilevit_tf.pretrained import weight_files


@pytest.mark.parametrize(("name", "data"), [pytest.param(*case, id=case[0]) for case in weight_cases.hostile()])
def test_a_hostile_weight_file_is_refused_in_seconds_and_little_memory(name, data, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(data)
    outcome = forked.run(functools.partial(weight_files.read, path), seconds=10, megabytes=512 + len(data) // 2**17)
    assert outcome.kind == "refused", outcome
    outcome.require_safe()
    assert outcome.megabytes < 300


@pytest.mark.parametrize(("name", "read"), [("weights.pt", weight_files.read), (model_file.NAME, model_file.load)])
@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x00\x00\x00\x00\x80\x00\x00\x00{"])
def test_a_file_of_a_terabyte_that_takes_no_disk_is_refused(name, read, start, tmp_path):
    with open(tmp_path / name, "wb") as file:
        file.write(start)
        file.truncate(2**40)
    outcome = forked.run(functools.partial(read, tmp_path / name), seconds=10, megabytes=256)
    assert outcome.kind == "refused", outcome
    assert f"{name} is larger than 4" in outcome.text
