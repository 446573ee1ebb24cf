"""`pretrained --evaluate` of any model of the catalogue."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import pytest
from support.photo_files import folder_of_classes

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import build, model_file, weights
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.pretrained.__main__ import main


@pytest.mark.parametrize("variant", ["tiny", "mobilenet_v1"])
def test_a_run_of_any_family_is_evaluated(variant, tmp_path, capsys):
    config = ModelConfig(variant, 2)
    values = weights.to_dict(build.build(config, 32, 32))
    model_file.save(tmp_path / "run", ModelFile(config, ImageSpec(32, 32), ("cat", "dog"), values, "run"))
    photos = folder_of_classes(tmp_path / "photos", {"cat": 2, "dog": 2})
    main([f"--output={tmp_path / 'run'}", f"--evaluate={photos}"])
    assert "4 photos of 2 classes: top-1" in capsys.readouterr().out
