"""A line of the table of runtimes."""

from __future__ import annotations

import collections

import numpy as np

from quantize.checks.runtime import not_delegated


def row(name: str, title: str, file: dict, baseline: dict | None, newest: dict) -> str:
    """A line of the table.

    Args:
      name: of the runtime.
      title: of the file.
      file: what `one_runtime.py` says of it.
      baseline: the same for the float32 file, where there is one.
      newest: for this file in the newest runtime.
    """
    left = not_delegated(file["nodes"], file["delegates"], set(file["outputs"]))
    counts = collections.Counter(node["op_name"] for node in left)
    outside = ", ".join(f"{kind} {count}" for kind, count in counts.most_common()) or "-"
    ratio = f"{file['ms'] / baseline['ms']:.2f}" if baseline else "-"
    worst = np.abs(np.array(file["scores"]) - np.array(newest["scores"])).max()
    return f"| {name} | {title} | {len(file['delegates'])} | {outside} | {file['ms']:.1f} | {ratio} | {worst:.1e} |"
