"""Hostile weight files run nothing, and are refused within seconds and without more memory than their own size."""

import functools

import pytest

from attack import forked
from attack.cases import weight as weight_cases
from mobilevit_tf.pretrained import weight_files


@pytest.mark.parametrize(("name", "data"), [pytest.param(*case, id=case[0]) for case in weight_cases.hostile()])
def test_a_hostile_weight_file_is_refused_in_seconds_and_little_memory(name, data, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(data)
    outcome = forked.run(functools.partial(weight_files.read, path), seconds=10, megabytes=512 + len(data) // 2**17)
    assert outcome.kind == "refused", outcome
    outcome.require_safe()
    assert outcome.megabytes < 300
