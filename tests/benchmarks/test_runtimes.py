"""The comparison of runtimes: what a line says, and that each runtime is pinned."""

from __future__ import annotations

import sys

from support.commands import ROOT, run

sys.path.insert(0, str(ROOT / "benchmarks"))
from runtimes.rows import row

NODES = [
    {"op_name": "QUANTIZE", "inputs": [0], "outputs": [1]},
    {"op_name": "CONV_2D", "inputs": [1], "outputs": [2]},
    {"op_name": "REDUCE_MIN", "inputs": [2], "outputs": [3]},
    {"op_name": "SOFTMAX", "inputs": [3], "outputs": [4]},
]
DELEGATES = [
    {"op_name": "DELEGATE", "inputs": [1], "outputs": [2]},
    {"op_name": "DELEGATE", "inputs": [3], "outputs": [4]},
]


def test_a_line_names_partitions_what_is_outside_the_ratio_and_the_largest_difference():
    file = {"nodes": NODES, "delegates": DELEGATES, "outputs": [4], "ms": 3.0, "scores": [[0.25, 0.75], [0.5, 0.5]]}
    newest = file | {"scores": [[0.25, 0.75], [0.4, 0.6]]}
    assert (
        row("old", "XXS", file, {"ms": 6.0}, newest)
        == "| old | XXS | 2 | QUANTIZE 1, REDUCE_MIN 1 | 3.0 | 0.50 | 1.0e-01 |"
    )
    assert row("old", "XXS", file, None, file) == "| old | XXS | 2 | QUANTIZE 1, REDUCE_MIN 1 | 3.0 | - | 0.0e+00 |"


def test_each_runtime_is_pinned_whole():
    files = sorted((ROOT / "benchmarks" / "runtimes" / "requirements").glob("*.txt"))
    assert len(files) == 8
    for path in files:
        pins = [line.replace("_", "-") for line in path.read_text().splitlines() if not line.startswith("#")]
        package, version = path.stem.rsplit("-", 1)
        names = (f"{package}=={version}", f"{package}-cpu=={version}")
        assert all(line.count("==") == 1 for line in pins) and any(name in pins for name in names)


def test_an_unknown_runtime_is_refused():
    done = run("benchmarks/runtimes/compare.py", "--only=tensorflow-1.0")
    assert done.returncode == 1
    assert "no runtime tensorflow-1.0: expected some of ai-edge-litert-2.3.0," in done.stdout
