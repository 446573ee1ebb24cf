"""The same functions for scripts, through `gradio_client`: /classify, /compare, /folder, /models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from preview import gradio_setup  # noqa: F401  # isort: skip (decides how Gradio is loaded)
import gradio as gr

from mobilevit_tf.errors import BadImage, UserError, shortened
from preview import answers
from preview.open_models import ModelStore
from preview.settings import InferenceQueue
from preview.tabs import folder as tab_folder
from preview.tabs.model import facts
from preview.uploads import Files, Photo, read_photo

Answer = TypeVar("Answer")


def _told(call: Callable[[], Answer], path: Path | None = None) -> Answer:
    """A UserError becomes the one sentence that the client's exception carries."""
    try:
        return call()
    except UserError as error:
        text = f"{path.name}: {error}" if isinstance(error, BadImage) and path else str(error)
        raise gr.Error(text, print_exception=False) from error


def _protocol(value: str) -> str:
    if value not in ("crop", "stretch"):
        raise UserError(f"protocol {shortened(str(value))}, expected 'crop' or 'stretch'")
    return value


def add(store: ModelStore, workers: int, inference: InferenceQueue) -> None:
    """Adds the endpoints, behind components that nobody sees."""

    def models() -> object:
        """The open models: [{"key", "title", and what the Model tab shows}]."""
        return [{"key": key, "title": title, **facts(store.get(key))} for title, key in store.choices()]

    with gr.Row(visible=False):
        button, photo, files = gr.Button(), Photo(image_mode=None, type="filepath"), Files(file_count="multiple")
        model, protocol = gr.Textbox("", label="Model"), gr.Textbox("crop", label="Protocol")
        answer, csv_file = gr.JSON(), gr.File()
    button.click(_classify(store), [photo, model, protocol], answer, api_name="classify", **inference)
    button.click(_compare(store), [photo, model, protocol], answer, api_name="compare", **inference)
    folder = _folder(store, workers)
    button.click(folder, [files, model, protocol], [answer, csv_file], api_name="folder", concurrency_limit=2)
    button.click(models, None, answer, api_name="models")


def _classify(store: ModelStore) -> Callable[..., object]:
    def classify(photo: Path | None, model: str, protocol: str) -> object:
        """One picture -> {"label", "unsure", "confidences": [{"label", "confidence"}, ...], ...}, best first.

        Args:
            photo: the picture's file.
            model: a key from /models; empty for the page's first model.
            protocol: "crop" (the training protocol) or "stretch" (the phone's view).
        """
        return _told(
            lambda: answers.classify(store.get(model), read_photo(photo), _protocol(protocol)).to_json(), photo
        )

    return classify


def _compare(store: ModelStore) -> Callable[..., object]:
    def compare(photo: Path | None, models: str, protocol: str) -> object:
        """One picture -> {"agree", "answers": [as /classify, with "largest_difference"]}.

        Args:
            photo: the picture's file.
            models: keys from /models with commas between; empty for all open models.
            protocol: "crop" or "stretch".
        """

        def answer() -> object:
            named = [key.strip() for key in (models or "").split(",") if key.strip()]
            keys = dict.fromkeys(named or [key for _, key in store.choices()])  # each once, however often it is named
            chosen = [store.get(key) for key in keys]
            return answers.compare(chosen, read_photo(photo), _protocol(protocol)).to_json()

        return _told(answer, photo)

    return compare


def _folder(store: ModelStore, workers: int) -> Callable[..., tuple[object, str]]:
    def folder(
        files: list[Path],
        model: str,
        protocol: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio's way)
    ) -> tuple[object, str]:
        """Many pictures or a ZIP -> ({"photos", "failed", "accuracy", "labels", "confusion"}, the CSV's path).

        Args:
            files: pictures, or ZIPs of pictures, with one folder per class where accuracy is wanted.
            model: a key from /models; empty for the page's first model.
            protocol: "crop" or "stretch".
        """
        result, csv_file = _told(lambda: tab_folder.run(store, workers, files, model, _protocol(protocol), progress))
        summary = {
            "photos": len(result.rows),
            "failed": len(result.rows) - len(result.answered),
            "accuracy": result.accuracy,
            "labels": list(result.labels),
            "confusion": result.confusion.tolist() if result.judged else None,
        }
        return summary, str(csv_file)

    return folder
