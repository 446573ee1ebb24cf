"""Gradio components that hand over the bytes as they were sent, and only bytes that were sent.

Gradio's own Image opens a picture on the way in, turns it by EXIF, converts and encodes it again, and fetches a web
address that a client names. Here the path of the untouched upload arrives, and an address is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preview import gradio_setup  # isort: skip (decides how Gradio is loaded)
import gradio as gr
from gradio.blocks import Block
from gradio.route_utils import GradioMultiPartParser
from starlette.formparsers import MultiPartException

from mobilevit_tf.errors import BadImage, UserError
from preview import settings

_headers_finished = GradioMultiPartParser.on_headers_finished


def _files_alone(parser: GradioMultiPartParser) -> None:
    """Refuses a part of an upload that is no file: Gradio holds such parts in memory, without a limit."""
    _headers_finished(parser)
    if parser._current_part.file is None:
        raise MultiPartException("only files are uploaded here")


GradioMultiPartParser.on_headers_finished = _files_alone  # type: ignore[method-assign,assignment]


class _AsSent(Block):
    shown_as = ""  # the Gradio component whose looks it has

    def get_block_name(self) -> str:
        return self.shown_as

    get_block_class = get_block_name

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        if str(url_or_file_path).lower().startswith(("http:", "https:", "ftp:")):
            raise gr.Error("a web address is not fetched: send the file itself", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)


def _uploaded(payload: Any) -> Path:
    path = Path(payload.path or "").resolve()
    if not path.is_relative_to(gradio_setup.UPLOADS.resolve()):
        raise gr.Error("only a file that was uploaded can be used", print_exception=False)
    return path


class Photo(_AsSent, gr.Image):
    """A picture from file, clipboard, webcam or an example; functions get the Path of its bytes, or None."""

    shown_as = "image"

    def preprocess(self, payload: Any) -> Path | None:  # type: ignore[override]  # on purpose: not what Gradio makes
        return None if payload is None else _uploaded(payload)


class Files(_AsSent, gr.File):
    """One file or many; functions get a list of Paths."""

    shown_as = "file"

    def preprocess(self, payload: Any) -> list[Path]:  # type: ignore[override]  # on purpose: not what Gradio makes
        if payload is None:
            return []
        return [_uploaded(file) for file in getattr(payload, "root", [payload])]


class ModelButton(_AsSent, gr.UploadButton):
    """A button that opens one file; functions get its Path, or None."""

    shown_as = "uploadbutton"

    def preprocess(self, payload: Any) -> Path | None:  # type: ignore[override]  # on purpose: not what Gradio makes
        return None if payload is None else _uploaded(payload)


def read_photo(path: Path | None) -> bytes:
    """The bytes of an uploaded photo.

    Raises:
      UserError: nothing was chosen, or it is gone.
      BadImage: it is too large to be a photo.
    """
    if path is None:
        raise UserError("no photo yet: choose one first")
    try:
        size = path.stat().st_size
        if size > settings.MAX_PHOTO_BYTES:
            raise BadImage(
                f"{size / 2**20:.0f} MB, more than the {settings.MAX_PHOTO_BYTES // 2**20} MB a photo may have"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError("the photo is not kept any longer: choose it again") from error
