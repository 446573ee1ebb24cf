"""Hostile files, each read in a process of its own: photos, models, weights, run directories."""

from __future__ import annotations

import collections
import functools
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from support.commands import ROOT, environment

from attack import forked
from attack.cases import model as model_cases
from attack.cases import photo as photo_cases
from attack.cases import run_dir as run_dir_cases
from attack.cases import weight as weight_cases
from attack.tally import Tally
from mobilevit_tf.errors import BadImage
from mobilevit_tf.image import pixels
from mobilevit_tf.models import model_file
from mobilevit_tf.pretrained import weight_files
from mobilevit_tf.train import run_dir

PHOTOS, BATCH = 8_000, 100
WEIGHTS = 600
MODELS = 400


def photos(tally: Tally, seed: int) -> None:
    """Bombs, and thousands of damaged photos of every format."""
    for name, data in photo_cases.bombs():
        with tally.case(name):
            forked.run(functools.partial(pixels.decode_image, data)).require_safe()
    cases = photo_cases.damaged(np.random.default_rng(seed), PHOTOS)
    while batch := list(itertools.islice(cases, BATCH)):
        with tally.case(f"{batch[0][0]} to {batch[-1][0]}", len(batch)):
            outcome = forked.run(functools.partial(_decode_all, batch), 100)
            assert outcome.kind == "result", outcome.text


def _decode_all(batch: list[tuple[str, bytes]]) -> dict[str, int]:
    counts = collections.Counter()
    for name, data in batch:
        try:
            assert pixels.decode(data).shape[2] == 3
            counts["pixels"] += 1
        except BadImage:
            counts["refused"] += 1
        except Exception as error:
            raise AssertionError(name) from error
    return dict(counts)


def weights(tally: Tally, seed: int) -> None:
    """Hostile and damaged weight files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        damaged = weight_cases.damaged(np.random.default_rng(seed), WEIGHTS)
        for name, data in itertools.chain(weight_cases.hostile(), damaged):
            path.write_bytes(data)
            with tally.case(name):
                read = functools.partial(weight_files.read, path)
                forked.run(read, megabytes=512 + len(data) // 2**17).require_safe()


def run_dirs(tally: Tally, seed: int) -> None:
    """Model files and settings that are well formed but wrong, and damaged ones."""
    generator = np.random.default_rng(seed)
    wrong = list(run_dir_cases.model_files())
    whole = [data for _, data in wrong if data]
    wrong += [(f"damaged {n}", photo_cases.damage(whole[n % len(whole)], generator)) for n in range(200)]
    with tempfile.TemporaryDirectory() as folder:
        for name, data in wrong:
            (Path(folder) / model_file.NAME).write_bytes(data)
            with tally.case(f"model file, {name}"):
                forked.run(functools.partial(model_file.load, folder)).require_safe()
    for name, write in run_dir_cases.configs():
        with tempfile.TemporaryDirectory() as folder, tally.case(f"settings, {name}"):
            write(Path(folder) / run_dir.CONFIG)
            forked.run(functools.partial(run_dir.load_data_config, Path(folder))).require_safe()


def models(tally: Tally, seed: int) -> None:
    """.tflite files with hostile metadata, and damaged ones, as the preview probes them."""
    command = [sys.executable, str(ROOT / "tests" / "programs" / "probe_server.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    generator = np.random.default_rng(seed)
    shipped = (ROOT / "models" / "flowers_xxs_int8.tflite").read_bytes()
    cases = [(name, data, True) for name, data in model_cases.hostile(shipped)]
    cases += [(f"damaged {n}", photo_cases.damage(shipped, generator), False) for n in range(MODELS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, env=environment(PYTHONPATH=str(ROOT)), **pipes) as server,
    ):
        path = Path(folder) / "model.tflite"
        for name, data, must_be_refused in cases:
            path.write_bytes(data)
            with tally.case(name):
                server.stdin.write(f"{path}\n")
                server.stdin.flush()
                answer = json.loads(server.stdout.readline())
                sentences = [line for line in answer["stderr"].splitlines() if line.startswith("error: ")]
                assert answer["status"] < 2 and "Traceback" not in answer["stderr"], answer
                assert (answer["status"] == 1) == (len(sentences) == 1), answer
                assert not must_be_refused or answer["status"] == 1, answer
        server.stdin.close()
