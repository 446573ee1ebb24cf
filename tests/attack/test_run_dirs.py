"""Run directories that are well formed but wrong end in one sentence, through the readers and through the commands."""

import functools
import os

import pytest
import safetensors.numpy
from support.commands import run, train

from attack import forked
from attack.cases import run_dir as run_dir_cases
from mobilevit_tf.models import model_file
from mobilevit_tf.train import run_dir


@pytest.mark.parametrize(("name", "data"), [pytest.param(*case, id=case[0]) for case in run_dir_cases.model_files()])
def test_a_wrong_model_file_is_refused(name, data, tmp_path):
    (tmp_path / model_file.NAME).write_bytes(data)
    outcome = forked.run(functools.partial(model_file.load, tmp_path), megabytes=256)
    assert outcome.kind == "refused", outcome.text
    outcome.require_safe()
    assert model_file.NAME in outcome.text


@pytest.mark.parametrize(("name", "write"), [pytest.param(*case, id=case[0]) for case in run_dir_cases.configs()])
def test_wrong_settings_are_refused(name, write, tmp_path):
    write(tmp_path / run_dir.CONFIG)
    outcome = forked.run(functools.partial(run_dir.load_data_config, tmp_path), megabytes=256)
    assert outcome.kind == "refused", outcome.text
    outcome.require_safe()
    assert run_dir.CONFIG in outcome.text


def test_settings_in_a_pipe_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / run_dir.CONFIG)
    outcome = forked.run(functools.partial(run_dir.load_config, tmp_path), seconds=2)
    assert (outcome.kind, outcome.text.endswith("is not a regular file")) == ("refused", True)


@pytest.mark.parametrize("command", ["--init_from", "--evaluate_only", "--run"])
def test_the_commands_say_it_in_one_line(command, tmp_path):
    (tmp_path / run_dir.CONFIG).write_text('{"data": {"data": "digits"}}')
    data = safetensors.numpy.save({"other": run_dir_cases.WEIGHTS["classifier/bias"]}, run_dir_cases.HEADER)
    (tmp_path / model_file.NAME).write_bytes(data)
    flags = [f"{command}={tmp_path}", "--data=digits"]
    if command == "--run":
        ended = run("quantize/export.py", *flags, f"--output={tmp_path / 'x.tflite'}")
    else:
        ended = train(*flags, f"--model_dir={tmp_path / 'new'}")
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stdout
    assert len([line for line in ended.stdout.splitlines() if line.startswith("error: ")]) == 1, ended.stdout
