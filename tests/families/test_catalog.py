"""What the catalogue says of a model is what building it gives; every family keeps to the same rules."""

from __future__ import annotations

import subprocess
import sys

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.models import build, count, weights

LARGE = 1_500  # million multiply-accumulates from which on a model is built by the slow tests alone


def models() -> list:
    """(name, whether it is the first of its family); large models are marked slow."""
    first = {known.module: name for name, known in reversed(catalog.MODELS.items())}
    return [
        pytest.param(name, first[known.module] == name, marks=pytest.mark.slow if known.macs > LARGE else (), id=name)
        for name, known in catalog.MODELS.items()
    ]


@pytest.mark.parametrize(("name", "first"), models())
def test_a_model_is_as_large_as_the_catalogue_says_and_keeps_to_the_rules(name, first):
    known = catalog.MODELS[name]
    model = build.build(ModelConfig(name), known.size, known.size)
    assert (count.count_parameters(model), round(count.count_macs(model) / 1e6, 1)) == (known.parameters, known.macs)
    assert (model.input_shape, model.output_shape) == ((None, known.size, known.size, 3), (None, 1000))
    assert model.output.dtype == "float32"
    classifier = model.get_layer("classifier")
    assert model.output is classifier.output
    assert classifier.output_shape == (None, 1000)
    assert len(weights.to_dict(model)) == len(model.weights)  # a name of its own for each
    assert all(weight.dtype == "float32" for weight in model.weights)
    assert not any(type(layer) is tf_keras.layers.Dropout for layer in model.layers)  # it has a hidden state
    assert known.citation
    assert known.title
    if first:
        assert_rgb_between_0_and_1(model, known.size)


def assert_rgb_between_0_and_1(model: tf_keras.Model, size: int) -> None:
    """Black, grey and white give finite logits: nobody has to standardise before."""
    grey = np.stack([np.full((size, size, 3), level, np.float32) for level in (0.0, 0.5, 1.0)])
    assert np.isfinite(model(grey, training=False).numpy()).all()


def test_published_rates_are_the_defaults_and_a_flag_replaces_them():
    assert ModelConfig("xxs").rates == (0.05, 0.1)
    assert ModelConfig("mobilenet_v3").rates == (0.0, 0.2)
    assert ModelConfig("xxs", dropout=0.3, classifier_dropout=0.0).rates == (0.3, 0.0)


def test_the_command_prints_every_model_without_loading_tensorflow():
    code = "import runpy, sys; runpy.run_module('mobilevit_tf.mobilevit', run_name='__main__')\n"
    code += "assert 'tensorflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert done.stderr == ""
    assert rows["variant"][1:4] == ["parameters", "MACs", "(M)"]
    assert rows["xxs"][:6] == ["xxs", "1,272,024", "407.4", "256", "69.0", "%"]
    assert set(rows) == {"variant", *catalog.MODELS}
