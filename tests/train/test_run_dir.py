"""When a run may go on: settings that are younger than it count as their defaults."""

import json

import pytest

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.train import run_dir
from mobilevit_tf.train.run_dir import RunConfig


def test_a_run_of_before_a_setting_existed_had_its_default(tmp_path):
    config = RunConfig(ModelConfig("tiny"), DataConfig(), AugmentConfig(), TrainConfig())
    settings = config.to_dict()
    del settings["augment"]["random_erasing"]
    (tmp_path / run_dir.CONFIG).write_text(json.dumps(settings))
    run_dir.require_same_settings(tmp_path, config)
    erasing = RunConfig(config.model, config.data, AugmentConfig(random_erasing=0.25), config.train)
    with pytest.raises(UserError, match=r"augment.random_erasing \(was 0.0, now 0.25\)"):
        run_dir.require_same_settings(tmp_path, erasing)
