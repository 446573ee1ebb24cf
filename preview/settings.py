"""The preview's defaults and limits: what `demo_app.py` fills from flags, and what a stranger's file may cost."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODEL = ROOT / "models" / "flowers_xxs_int8.tflite"
EXAMPLES = ROOT / "examples"
FIRST_PORT = 7860  # Gradio's own; the next free one is taken where it is busy

MAX_UPLOAD_BYTES = 512 * 2**20  # one file of any kind, refused while it arrives
MAX_BODY_BYTES = 16 * 2**20  # a request that is no upload; with the names of 5,000 uploads it has 2 MB
MAX_PHOTO_BYTES = 64 * 2**20
MAX_MODEL_BYTES = 256 * 2**20
MAX_FOLDER_PHOTOS = 5_000
MAX_ZIP_DIRECTORY_BYTES = 4 * 2**20  # of a ZIP's list of contents: some 40,000 entries
MAX_ZIPS = 50  # at once, their lists of contents counted together
MAX_ADDED_MODELS = 6  # opened in the page; the oldest goes when one more comes
MAX_WAITING = 1_024  # calls in the queue
KEEP_UPLOADS_S, DELETE_EVERY_S = 6 * 3_600, 600  # how old an upload gets, and how often that is looked at
MAX_SESSIONS = 64  # windows and scripts whose state is kept, 0.1 MB each; the least recently used one goes

TOP_CLASSES = 5


class InferenceQueue(TypedDict):
    """What Gradio takes for an event that uses an interpreter: how many run at once, and the queue that they share."""

    concurrency_limit: int
    concurrency_id: str


@dataclasses.dataclass(frozen=True)
class PreviewConfig:
    """What `demo_app.py` serves.

    Attributes:
      models: .tflite files to open with; the first is the page's default.
      port: of the page on this computer; None takes the first free one from FIRST_PORT on.
      share: through Gradio's public tunnel: anybody with the link can send pictures to this computer.
      threads: of one inference.
      workers: photos classified at the same time, each with an interpreter of its own.
    """

    models: tuple[Path, ...] = (DEFAULT_MODEL,)
    port: int | None = None
    share: bool = False
    threads: int = 1
    workers: int = min(4, os.cpu_count() or 1)
