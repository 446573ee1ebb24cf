"""The Classify tab: one photo, one model."""

from __future__ import annotations

from pathlib import Path

from preview import gradio_setup  # noqa: F401  # isort: skip (decides how Gradio is loaded)
import gradio as gr

from mobilevit_tf.errors import BadImage, UserError
from preview import answers, render, settings
from preview.open_models import ModelStore
from preview.uploads import Photo, read_photo

PROTOCOL_CHOICES = [("Training protocol: resize and crop", "crop"), ("Phone's view: stretched", "stretch")]
WELCOME = "Drop a photo, paste one, take one with the webcam, or click an example"


def photo_input(elem_id: str) -> Photo:
    """The picture box of a tab."""
    return Photo(
        label="Photo",
        elem_id=elem_id,
        image_mode=None,
        type="filepath",
        sources=["upload", "clipboard", "webcam"],
        webcam_options=gr.WebcamOptions(mirror=False),
        buttons=["fullscreen"],
        height=300,
        alt_text="The photo to classify",
    )


def protocol_switch(visible: bool = False) -> gr.Radio:
    """The training protocol or the phone's view."""
    return gr.Radio(PROTOCOL_CHOICES, value="crop", label="What the model is shown", visible=visible)


def examples(photo: Photo) -> None:
    """The example photos of the repository below a picture box."""
    paths = [[str(path)] for path in sorted(settings.EXAMPLES.glob("*.jpg"))]
    gr.Examples(paths, inputs=photo, label="Examples", api_visibility="private")


def complaint(path: Path | None, error: UserError) -> str:
    """An error as a box; a bad picture's reason gets the file's name."""
    return render.notice(f"{path.name}: {error}" if isinstance(error, BadImage) and path else str(error))


def add(store: ModelStore, chosen: gr.Dropdown, inference: settings.InferenceQueue) -> None:
    """Builds the tab; `inference` holds the queue's settings for events that use an interpreter."""
    with gr.Row():
        with gr.Column(min_width=300):
            photo = photo_input("classify-photo")
            examples(photo)
        with gr.Column(min_width=300):
            result = gr.HTML(apply_default_css=False, value=render.notice(WELCOME, "hint"), elem_id="classify-result")
            seen = gr.HTML(apply_default_css=False, value="", elem_id="classify-seen")
            look = gr.Checkbox(False, label="Where it looks", elem_id="classify-look", visible=False)
            protocol = protocol_switch()

    def show_answer(path: Path | None, key: str, view: str, wants_look: bool) -> tuple[object, ...]:
        hidden = gr.update(visible=False)
        if path is None:
            return render.notice(WELCOME, "hint"), "", hidden, hidden
        try:
            model = store.get(key)
            answer = answers.classify(model, read_photo(path), view)
        except UserError as error:
            return complaint(path, error), "", hidden, hidden
        shown = render.seen(answer) + (render.where(answers.where(model, answer)) if wants_look else "")
        return (
            render.answer(answer),
            f'<div class="pv-pictures">{shown}</div>',
            gr.update(visible=True),
            gr.update(visible=answer.protocols_differ),
        )

    gr.on(
        [photo.change, chosen.change, protocol.change, look.change],
        show_answer,
        [photo, chosen, protocol, look],
        [result, seen, look, protocol],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=[result],
        **inference,
    )
