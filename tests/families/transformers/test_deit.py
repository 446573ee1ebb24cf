"""DeiT-Ti against the reference implementation."""

import dataclasses

import pytest
from support import parity

from mobilevit_tf.families.transformers import deit

RULES = [
    *parity.VIT_RULES,
    (r"^class_token/position", "pos_embed[first]"),
    (r"^position/embedding", "pos_embed[rest]"),
    (r"^patch_embedding/", "patch_embed.proj/"),
]


@pytest.mark.parametrize(("stored", "grid"), [("224x224", (14, 14)), ("192x256", (12, 16))])
def test_logits_equal_the_reference(stored, grid):
    size = dataclasses.replace(deit.ViTSize(), grid=grid)
    assert parity.error("deit_ti", stored, lambda image: deit.features(image, size), RULES) < 1e-5
