"""The Compare tab: one photo, several models."""

from __future__ import annotations

from pathlib import Path

from preview import gradio_setup  # noqa: F401  # isort: skip (decides how Gradio is loaded)
import gradio as gr

from mobilevit_tf.errors import UserError
from preview import answers, render
from preview.open_models import ModelStore
from preview.settings import InferenceQueue
from preview.tabs.classify import WELCOME, complaint, examples, photo_input, protocol_switch
from preview.uploads import read_photo

NEEDS_TWO = "Choose two models or more; open another file above, for example the float32 export beside the int8 one"


def add(store: ModelStore, inference: InferenceQueue) -> gr.CheckboxGroup:
    """Builds the tab; returns the choice of models, which the page extends when a file is opened."""
    choices = store.choices()
    compared = gr.CheckboxGroup(
        choices, value=[key for _, key in choices], label="Models, the first is the reference", elem_id="compare-models"
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            photo = photo_input("compare-photo")
            examples(photo)
            protocol = protocol_switch()
        with gr.Column(scale=3, min_width=300):
            result = gr.HTML(apply_default_css=False, value=render.notice(WELCOME, "hint"), elem_id="compare-result")

    def show_comparison(path: Path | None, keys: list[str], view: str) -> tuple[object, ...]:
        if len(keys) < 2 or path is None:
            return render.notice(WELCOME if len(keys) > 1 else NEEDS_TWO, "hint"), gr.update(visible=False)
        try:
            models = [store.get(key) for key in sorted(set(keys), key=store.position)]
            comparison = answers.compare(models, read_photo(path), view)
        except UserError as error:
            return complaint(path, error), gr.update(visible=False)
        differ = any(answer.protocols_differ for answer in comparison.answers)
        return render.comparison(comparison), gr.update(visible=differ)

    gr.on(
        [photo.change, compared.change, protocol.change],
        show_comparison,
        [photo, compared, protocol],
        [result, protocol],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=[result],
        **inference,
    )
    return compared
