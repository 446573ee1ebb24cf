"""The one place that decides how TensorFlow is loaded; every module that uses TensorFlow imports this one first.

Keras 2 (`tf_keras`) is the Keras that TFMOT accepts, and the switch must be set before TensorFlow is first imported.
TensorFlow 2.19 writes six lines about CUDA plugins to stderr while it loads, on machines without a GPU too, before
any log level applies: they are dropped. Its C++ log is at "fatal only": what matters reaches Python as an exception.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def stderr_dropped() -> Iterator[None]:
    """Inside, nothing that this process writes to stderr is seen, C++ included."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


if "tensorflow" not in sys.modules:
    with stderr_dropped():
        import tensorflow as tf
        import tf_keras  # noqa: F401

    tf.get_logger().setLevel("ERROR")
