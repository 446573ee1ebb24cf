"""What the int8 file computes in place of float layers: near enough, and the same in every runtime."""

from __future__ import annotations

import json

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf

from quantize.layers import folded
from quantize.layers.reproducible import (
    COARSEST,
    STEP,
    FloatProduct,
    ReproducibleNorm,
    TableExponential,
    TableWeightedMean,
    below_row_maxima,
    table_step,
    twice_the_root,
)


@pytest.mark.parametrize(
    ("limits", "error"), [(None, 0.02), ((0.0, 20.0), 0.06), ((-2.0, 17.0), 0.06), ((-50.0, 100.0), 0.02)]
)
def test_attention_by_table_is_attention_with_softmax_within_some_percent(limits, error):
    generator = np.random.default_rng(0)
    queries, keys = (generator.normal(0, 1, (2, 4, 6, 16)).round(1).astype(np.float32) for _ in range(2))
    queries[..., 0], keys[..., 0] = 10, 1  # all scores around 10
    values = generator.normal(0, 1, (2, 4, 5, 6)).astype(np.float32)
    expected = tf.matmul(tf.nn.softmax(queries @ keys.swapaxes(2, 3)), values, transpose_b=True).numpy()
    rises = TableExponential(limits)(FloatProduct()([queries, keys]))
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
    assert from_halfway.min() > 1.5 * 255 / 2**24  # the step's reciprocal and the product are rounded
    entries = 256 * np.expm1(-np.arange(256) * step)
    assert np.abs(entries[entries > -255.25] % 1 - 0.5).min() > 1e-3


def test_every_step_of_the_finest_table_is_used():
    assert table_step(STEP) == STEP
    entries = np.round(256 * np.expm1(-np.arange(256) * STEP))
    assert (entries[254], entries[255]) == (-254, -255)


def test_a_norm_is_the_same_number_whichever_way_a_runtime_rounds_the_root():
    square = np.arange(1 << 23, 3 << 23, dtype=np.uint32)  # the mantissas of [1, 2) and of [2, 4)
    square = (square - (1 << 23) + np.float32(1).view(np.uint32)).view(np.float32)
    assert (square[0], square[-1]) == (1, np.nextafter(np.float32(4), np.float32(0)))
    root = np.sqrt(square)
    exact = twice_the_root(square, root)
    for other in (np.nextafter(root, np.float32(0)), np.nextafter(root, np.float32(9))):
        assert (twice_the_root(square, other) != exact).sum() <= 1  # 1.0000001
    tokens = np.random.default_rng(1).normal(0, 2, (2, 5, 80)).astype(np.float32)
    expected = folded.RootMeanSquareNorm()(tokens).numpy()
    np.testing.assert_allclose(ReproducibleNorm()(tokens).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-20.0, 30.0), (-20.0, 29.0)])
def test_rows_a_little_outside_the_calibrated_maxima_keep_their_weights(low, high):
    rows = tf.constant([[high + 2.5, high + 1.5, 0.0, low - 40], [low - 2.5, low - 3.5, low - 9, low - 40]])
    weights = TableExponential((low, high))(rows[tf.newaxis, tf.newaxis]).numpy() + 255 / 256
    np.testing.assert_allclose(weights, [[[[1, np.exp(-1), 0, 0]] * 2]], atol=0.1)


@pytest.mark.parametrize(
    ("shape", "pieces"), [((2, 4, 6, 16), 1), ((1, 3, 5, 64), 1), ((2, 2, 7, 256), 8), ((1, 2, 3, 5, 211), 1)]
)
def test_scores_below_their_row_maxima_by_pools(shape, pieces):
    scores = np.random.default_rng(0).normal(-3, 1, shape).astype(np.float32)
    found = below_row_maxima(tf.constant(scores)).numpy()
    assert found.shape == (shape if pieces == 1 else (shape[0], shape[1] * shape[2], pieces, shape[3] // pieces))
    np.testing.assert_array_equal(found.reshape(shape), scores - scores.max(-1, keepdims=True))


def test_a_table_comes_back_from_its_settings():
    table = TableExponential((-4.0, 16.0), name="table")
    again = TableExponential.from_config(json.loads(json.dumps(table.get_config())))
    scores = np.random.default_rng(0).normal(0, 5, (1, 2, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(again(scores), table(scores))
