"""The models that the page has open: each probed in a child process first, each with one interpreter per worker."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import re
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.probe import probe
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from preview import settings


class OpenModel:
    """One .tflite and its interpreters.

    Attributes:
      key: start of the file's SHA-256, how the page and scripts name it.
      path: the page's own copy, which the Model tab offers for download.
      title: shown to people.
      labels, spec, info: from the file's metadata.
    """

    def __init__(self, path: Path, key: str, threads: int, workers: int) -> None:
        self.path, self.key = path, key
        self._idle: queue.LifoQueue[TFLiteModel] = queue.LifoQueue()
        for _ in range(workers):
            model = TFLiteModel(path, num_threads=threads)
            model.scores(
                np.zeros((*model.spec.size, 3), np.uint8)
            )  # the first run allocates: not a person's to wait for
            self._idle.put(model)
        self.labels, self.spec, self.info = model.labels, model.spec, model.info
        self.title = f"{self.info.name} ({path.name})"
        self.size_bytes = path.stat().st_size
        self.input_type = model.interpreter.get_input_details()[0]["dtype"].__name__
        self.partitions = model.partitions
        self.operators = model.operators

    @contextlib.contextmanager
    def borrow(self) -> Iterator[TFLiteModel]:
        """An interpreter that nobody else uses meanwhile; waits until one is free."""
        model = self._idle.get()
        try:
            yield model
        finally:
            self._idle.put(model)


class ModelStore:
    """The open models by key, in the order of opening. Safe to use from many threads."""

    def __init__(self, folder: Path, threads: int = 1, workers: int = 1) -> None:
        """Copies of opened files go under `folder`."""
        self._folder, self._threads, self._workers = folder, threads, workers
        self._models: dict[str, OpenModel] = {}
        self._added: list[str] = []
        self._opening: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def open(self, path: Path, name: str | None = None, *, added: bool = False) -> OpenModel:
        """Probes and opens a file of unknown origin; the same bytes are opened once.

        Args:
          path: where the file lies.
          name: how messages call it; None takes the path.
          added: opened in the page: the oldest such one is closed when there are more than MAX_ADDED_MODELS.

        Raises:
          UserError: for a missing, foreign, truncated or damaged file; what is open stays open.
        """
        name = name or str(path)
        try:
            key = _checked_key(path)
            with self._lock:
                opening = self._opening.setdefault(key, threading.Lock())
            with opening:  # a second one who opens the same file waits and gets the first one's
                return self._open(path, key, added)
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from error

    def _open(self, path: Path, key: str, added: bool) -> OpenModel:
        with self._lock:
            if key in self._models:
                return self._models[key]
        probe(path)
        copy = self._folder / key / plain_name(path.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        model = OpenModel(copy, key, self._threads, self._workers)
        with self._lock:
            self._models[key] = model
            if added:
                self._added.append(key)
            while len(self._added) > settings.MAX_ADDED_MODELS:
                closed = self._models.pop(self._added.pop(0))
                shutil.rmtree(closed.path.parent, ignore_errors=True)
        return model

    def get(self, key: str | None) -> OpenModel:
        """The model of that key; None or "" is the first one."""
        with self._lock:
            if not key:
                return next(iter(self._models.values()))
            if key not in self._models:
                raise UserError("that model is not open any more: choose another one or open its file again")
            return self._models[key]

    def position(self, key: str) -> int:
        """Place in the order of opening; a closed model comes last."""
        with self._lock:
            return list(self._models).index(key) if key in self._models else len(self._models)

    def choices(self) -> list[tuple[str, str]]:
        """(title, key) of every open model."""
        with self._lock:
            return [(model.title, key) for key, model in self._models.items()]


def plain_name(name: str) -> str:
    """A file's name that is safe to show, to serve and to type: letters, digits, "_", "-" and "."; never empty."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(name).stem).strip("._-")
    return f"{stem[:80] or 'model'}.tflite"


def _checked_key(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"no model at {path}: make one with `python quantize/export.py`")
    if path.stat().st_size > settings.MAX_MODEL_BYTES:
        raise UserError(f"{path} is larger than {settings.MAX_MODEL_BYTES // 2**20} MB: not a model of this project")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
