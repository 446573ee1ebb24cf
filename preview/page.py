"""The page: title, the choice of model, four tabs; and the server that shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from preview import gradio_setup  # noqa: F401  # isort: skip (decides how Gradio is loaded)
import gradio as gr

from mobilevit_tf.errors import UserError
from preview import api, guard, render, settings
from preview.open_models import ModelStore
from preview.tabs import classify as tab_classify
from preview.tabs import compare as tab_compare
from preview.tabs import folder as tab_folder
from preview.tabs import model as tab_model
from preview.uploads import ModelButton

STYLE = Path(__file__).with_name("page.css")
SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
SWITCH_THEME = "() => { document.body.classList.toggle('dark'); }"


def theme() -> gr.themes.Base:
    """Local fonts only: a web font would be a network call of the browser."""
    soft = gr.themes.Soft(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=SYSTEM_FONTS,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    return soft.set(  # the hue's stock shades are too pale to be read on and against
        block_label_background_fill="*background_fill_primary",
        block_label_background_fill_dark="*background_fill_secondary",
        block_label_text_color="*body_text_color_subdued",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_text_color="*body_text_color_subdued",
        block_title_padding="0",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        checkbox_label_background_fill_dark="*neutral_700",
        checkbox_label_background_fill_hover_dark="*neutral_600",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        checkbox_background_color_selected="*primary_900",
        checkbox_background_color_selected_dark="*primary_900",
        body_text_color_subdued="*neutral_500",
    )


def build(store: ModelStore, workers: int) -> gr.Blocks:
    """The page over the open models; at most `workers` photos are classified at the same time."""
    inference = settings.InferenceQueue(concurrency_limit=workers, concurrency_id="inference")
    with gr.Blocks(
        title="MobileViT preview",
        analytics_enabled=False,
        delete_cache=(settings.DELETE_EVERY_S, settings.KEEP_UPLOADS_S),
    ) as page:
        with gr.Row(elem_id="pv-title"):
            gr.HTML(
                apply_default_css=False,
                value="<h1>MobileViT preview</h1><p>What the phone will say, from the exported file itself.</p>",
            )
            gr.Button("◐", elem_id="pv-theme", size="sm").click(None, js=SWITCH_THEME, api_visibility="private")
        choices = store.choices()
        with gr.Row(equal_height=True):
            chosen = gr.Dropdown(
                choices, value=choices[0][1], label="Model", scale=4, min_width=240, elem_id="model-choice"
            )
            opened = ModelButton("Open a .tflite file", scale=1, min_width=160, elem_id="model-open", size="md")
        message = gr.HTML(apply_default_css=False, value="", elem_id="model-message", visible=False)
        with gr.Tab("Classify"):
            tab_classify.add(store, chosen, inference)
        with gr.Tab("Compare"):
            compared = tab_compare.add(store, inference)
        with gr.Tab("Folder"):
            tab_folder.add(store, chosen, workers)
        with gr.Tab("Model"):
            tab_model.add(store, chosen, page)
        api.add(store, workers, inference)

        opened.upload(_opener(store), [opened, compared], [chosen, compared, message], api_visibility="private")
        page.load(lambda: [gr.update(choices=store.choices())] * 2, None, [chosen, compared], api_visibility="private")
    page.queue(max_size=settings.MAX_WAITING, default_concurrency_limit=workers)
    return page


def _opener(store: ModelStore) -> Callable[..., tuple[object, ...]]:
    def open_file(path: Path | None, keys: list[str]) -> tuple[object, ...]:
        try:
            if path is None:
                raise UserError("no file came: choose a .tflite")
            model = store.open(path, path.name, added=True)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            told = render.notice(f"{error}; the page goes on with the model it had")
            return gr.update(), gr.update(), gr.update(value=told, visible=True)
        choices, wanted = store.choices(), [*keys, model.key]
        still = [key for _, key in choices if key in wanted]
        return (
            gr.update(choices=choices, value=model.key),
            gr.update(choices=choices, value=still),
            gr.update(value=render.notice(f"Opened {model.title}", "hint"), visible=True),
        )

    return open_file


def serve(page: gr.Blocks, port: int | None, share: bool) -> str:
    """Starts the server on loopback and returns its address at once.

    Raises:
      UserError: no port is free, or the public link could not be made.
    """
    try:
        _, address, public = page.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            max_file_size=settings.MAX_UPLOAD_BYTES,
            state_session_capacity=settings.MAX_SESSIONS,
            allowed_paths=[],
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            app_kwargs={"lifespan": guard.lifespan(share)},
            theme=theme(),
            head=f"<style>{STYLE.read_text()}</style>",  # Gradio's css= would rewrite the selectors
        )
    except OSError as error:
        raise UserError("no port could be opened on this computer: name a free one with --port") from error
    if share and not public:
        raise UserError("the public link could not be made: check the network, or leave --share out")
    return public or address
