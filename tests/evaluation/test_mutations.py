"""A thousand damaged files: each gives a sentence or a result, and a crash of the runtime stays in the child."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.probe import probe

MUTATIONS = 1000
ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models" / "flowers_xxs_int8.tflite"


def mutate(data: bytes, generator: np.random.Generator) -> bytes:
    """The file with a few bytes changed, a block overwritten or moved, or its end cut off."""
    changed = bytearray(data)
    # a third of the changes hits the first or the last 32 KB, where the graph and the labels are
    size = len(changed)
    low, high = [(0, size), (0, size), (0, 2**15), (size - 2**15, size)][generator.integers(4)]
    kind = generator.integers(4)
    if kind == 0:
        return bytes(changed[: generator.integers(8, size)])
    if kind == 1:
        start, length = generator.integers(low, high), generator.integers(1, 4096)
        changed[start : start + length] = bytes([generator.choice([0, 255])]) * len(changed[start : start + length])
    elif kind == 2:
        start, other, length = *generator.integers(low, high, 2), generator.integers(1, 512)
        block = changed[other : other + length]
        changed[start : start + len(block)] = block
    else:
        for place in generator.integers(low, high, generator.integers(1, 100)):
            changed[place] = generator.integers(256)
    return bytes(changed[:size])


@pytest.fixture(scope="module")
def server():
    """Path -> what probing it gives."""
    command = [sys.executable, str(ROOT / "tests" / "programs" / "probe_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(path: Path) -> dict:
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def test_a_thousand_mutated_files_give_a_sentence_or_a_result_or_end_in_the_child(server, tmp_path):
    data, generator = SHIPPED.read_bytes(), np.random.default_rng(0)
    outcomes, crashing = collections.Counter(), []
    for number in range(MUTATIONS):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(mutate(data, generator))
        answer = server(path)
        sentences = [line for line in answer["stderr"].splitlines() if line.startswith("error: ")]
        if answer["status"] < 0:
            crashing.append(path)
            outcomes["crash"] += 1
            continue
        assert answer["status"] in (0, 1) and "Traceback" not in answer["stderr"], answer
        assert answer["status"] == 0 or (len(sentences) == 1 and len(sentences[0]) > 30), answer
        outcomes["result" if answer["status"] == 0 else "sentence"] += 1
        path.unlink()
    print(dict(outcomes))
    assert outcomes["result"] > 100 and outcomes["sentence"] > 100
    for path in crashing[:3]:
        with pytest.raises(UserError, match=r"crashes the runtime|did not answer|it is damaged"):
            probe(path)
