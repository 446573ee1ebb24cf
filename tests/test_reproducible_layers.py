"""What the int8 file computes in place of float layers: near enough, and the same in every runtime."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf

from mobilevit_tf import folded_layers
from mobilevit_tf.reproducible_layers import (
    COARSEST,
    STEP,
    NegativeProduct,
    ReproducibleNorm,
    TableExponential,
    TableWeightedMean,
    table_step,
    twice_the_root,
)


@pytest.mark.parametrize(("limits", "error"), [(None, 0.02), ((5.0, 20.0), 0.05), ((-50.0, 100.0), 0.02)])
def test_attention_by_table_is_attention_with_softmax_within_some_percent(limits, error):
    generator = np.random.default_rng(0)
    queries, keys = (generator.normal(0, 1, (2, 4, 6, 16)).round(1).astype(np.float32) for _ in range(2))
    queries[..., 0], keys[..., 0] = 10, 1  # all scores around 10
    values = generator.normal(0, 1, (2, 4, 5, 6)).astype(np.float32)
    expected = tf.matmul(tf.nn.softmax(queries @ keys.swapaxes(2, 3)), values, transpose_b=True).numpy()
    rises = TableExponential(limits)(NegativeProduct()([queries, keys]))
    assert (rises.numpy() * 256 == np.round(rises.numpy() * 256)).all()
    assert (rises.numpy().max(-1) == 0).all() and rises.numpy().min() == -255 / 256
    got = TableWeightedMean()([rises, values]).numpy()
    assert got.shape == (2, 4, 6, 5)
    np.testing.assert_allclose(got, expected, atol=error * np.abs(values).max())


@pytest.mark.parametrize("smallest", [STEP, 0.1, COARSEST])
def test_no_score_and_no_entry_of_the_table_is_halfway_between_two_steps(smallest):
    step = table_step(smallest)
    assert smallest <= step <= smallest * 1.02
    multiple = round(step * 65536)
    scores = np.arange(-255 * multiple, 1) / 65536
    from_halfway = np.abs(scores / step % 1 - 0.5)
    assert multiple % 2 == 1 and from_halfway.min() == pytest.approx(1 / (2 * multiple))
    assert from_halfway.min() > 255 / 2**24  # of what float32 makes of 255 steps
    entries = 256 * np.expm1(-np.arange(256) * step)
    assert np.abs(entries[entries > -255.25] % 1 - 0.5).min() > 1e-3


def test_every_step_of_the_finest_table_is_used():
    assert table_step(STEP) == STEP
    entries = np.round(256 * np.expm1(-np.arange(256) * STEP))
    assert (entries[254], entries[255]) == (-254, -255)


def test_a_norm_is_the_same_number_whichever_way_a_runtime_rounds_the_root():
    square = np.exp(np.random.default_rng(0).normal(0, 3, 1 << 16)).astype(np.float32)
    root = np.sqrt(square)
    below, exact, above = (
        twice_the_root(square, one) for one in (np.nextafter(root, 0), root, np.nextafter(root, np.inf))
    )
    assert below.dtype == np.float32
    np.testing.assert_array_equal(below, exact)
    np.testing.assert_array_equal(above, exact)
    tokens = np.random.default_rng(1).normal(0, 2, (2, 5, 80)).astype(np.float32)
    expected = folded_layers.RootMeanSquareNorm()(tokens).numpy()
    np.testing.assert_allclose(ReproducibleNorm()(tokens).numpy(), expected, rtol=1e-6)
